"""Peak memory of one row, in a process of its own that does nothing else: libraries, weights and one frame's tensors.

python -m edge_runtime.bench_engines.memory '{...}'     answers with one line of JSON
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from edge_runtime.bench_engines.candidate import Candidate, open_candidate
from edge_runtime.inference import Mode
from edge_runtime.stages import StageTimes
from fissura.bundle import Bundle, load_bundle

TIMEOUT_S = 600
FRAMES = 3
STATUS = Path("/proc/self/status")


def peak_memory_mb(bundle: Bundle, mode: Mode, candidate: Candidate, size: tuple[int, int]) -> float | None:
    """Peak resident memory, 10^6 bytes, Python and its libraries included; device memory is none of it.

    Returns:
        None where the process fails: what is wrong shows where the row is measured.
    """
    asked = {"bundle": str(bundle.path.resolve()), "mode": mode, "candidate": asdict(candidate), "size": size}
    command = [sys.executable, "-m", "edge_runtime.bench_engines.memory", json.dumps(asked)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=True)
        return round(float(json.loads(done.stdout.splitlines()[-1])["peak_mb"]), 1)
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, IndexError):
        return None


def _own_peak_mb() -> float:
    """Of this process. `getrusage` would count its parent's memory too, which was this process's before `exec`."""
    try:
        lines = STATUS.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6
    except (OSError, StopIteration):  # not Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _answer(asked: str) -> None:
    values = json.loads(asked)
    bundle, mode, (width, height) = load_bundle(Path(values["bundle"])), values["mode"], values["size"]
    frame = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    whole, times = open_candidate(bundle, mode, Candidate(**values["candidate"])), StageTimes()
    for _ in range(FRAMES):
        whole.run(frame, times)
    print(json.dumps({"peak_mb": _own_peak_mb()}))
    whole.close()


if __name__ == "__main__":
    _answer(sys.argv[1])
