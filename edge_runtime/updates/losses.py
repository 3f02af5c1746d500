"""Which share of a stream's frames was lost since some moment, because there was no time for them."""

from __future__ import annotations

from edge_runtime.counters import Counters, Counts
from edge_runtime.health.governor import LEFT_OUT

# These say nothing about the time: somebody wanted that they are left out, or the camera has damaged them.
OTHERS = frozenset(("paused", "stopped", "unreadable", LEFT_OUT))


class Losses:
    """Counts from its making on.

    Args:
        counters: of the pipeline.
        from_start: counts from the start of the run instead.
    """

    def __init__(self, counters: Counters, *, from_start: bool = False) -> None:
        self._counters = counters
        self._frames, self._lost, self._failed = (0, 0, 0) if from_start else _numbers(counters.snapshot())

    @property
    def failed(self) -> int:
        """Frames on which the model failed."""
        return _numbers(self._counters.snapshot())[2] - self._failed

    def share(self) -> float:
        """Lost frames, by all; 0 where there was none."""
        frames, lost, _ = _numbers(self._counters.snapshot())
        frames, lost = frames - self._frames, lost - self._lost
        return lost / (frames + lost) if frames + lost else 0.0


def _numbers(counts: Counts) -> tuple[int, int, int]:
    lost = sum(frames for cause, frames in counts.drops.items() if cause not in OTHERS)
    return counts.frames, lost, counts.drops.get("failed", 0)
