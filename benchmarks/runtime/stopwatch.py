"""What every peer measures of itself, in the same way: rate and spacing of its results, processor time, memory.

Needs nothing but Python and NumPy: it is imported in several environments.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

WARM_UP = 10  # results that do not count: libraries load, buffers are made, queues fill
PERCENTILES = {"p50": 50, "p90": 90, "p99": 99}


class Stopwatch:
    """Is pressed at every result; time counts from the last result of the warm-up until `stop`."""

    def __init__(self) -> None:
        self._pressed_s: list[float] = []
        self._began_cpu_s = 0.0

    def press(self) -> None:
        """A frame's result is there."""
        self._pressed_s.append(time.perf_counter())
        if len(self._pressed_s) == WARM_UP:
            self._began_cpu_s = time.process_time()

    def stop(self) -> dict[str, Any]:
        """All is done, the last acknowledgement has come.

        Returns:
            `fps` until now; milliseconds from one result to the next; processor milliseconds a frame, of all threads
            of this process; peak memory of this process, 10^6 bytes.
        """
        ended_s, ended_cpu_s = time.perf_counter(), time.process_time()
        counted = np.array(self._pressed_s[WARM_UP - 1 :])
        frames = len(counted) - 1
        return {
            "frames": frames,
            "fps": frames / (ended_s - counted[0]),
            "frame_ms": percentiles(np.diff(counted) * 1e3),
            "cpu_ms": (ended_cpu_s - self._began_cpu_s) / frames * 1e3,
            "rss_mb": peak_memory_mb(),
        }


def percentiles(milliseconds: Any) -> dict[str, float]:
    """p50, p90 and p99 of some times."""
    return {name: float(np.percentile(milliseconds, percent)) for name, percent in PERCENTILES.items()}


def peak_memory_mb() -> float:
    """Peak resident memory of this process, 10^6 bytes (Linux)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6
