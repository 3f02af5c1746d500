"""How long each stage of a frame takes."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

REMEMBERED = 4096


class StageTimes:
    """The latest latencies of each stage, in milliseconds. Safe to read from another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: dict[str, deque[float]] = {}

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Time a block; a block that raises is not counted."""
        started = time.perf_counter_ns()
        yield
        self.add(stage, (time.perf_counter_ns() - started) / 1e6)

    def add(self, stage: str, milliseconds: float) -> None:
        """Record one latency."""
        with self._lock:
            self._times.setdefault(stage, deque(maxlen=REMEMBERED)).append(milliseconds)

    def all(self) -> dict[str, list[float]]:
        """Every remembered latency, by stage in the order of first use."""
        with self._lock:
            return {stage: list(times) for stage, times in self._times.items()}

    def medians(self) -> dict[str, float]:
        """Median of each stage, milliseconds, to the microsecond."""
        return {stage: round(float(np.median(times)), 3) for stage, times in self.all().items()}


def percentiles(milliseconds: Sequence[float]) -> dict[str, float]:
    """p50, p90, p99 and p999 of latencies, to the microsecond; empty for none."""
    if not milliseconds:
        return {}
    names = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9}
    return {name: round(float(np.percentile(milliseconds, q)), 3) for name, q in names.items()}
