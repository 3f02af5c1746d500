"""Latencies without a window: percentiles of a benchmark are over all of its frames."""

from __future__ import annotations

import time

from edge_runtime.stages import StageTimes


class EveryTime(StageTimes):
    """Forgets nothing, however long the run.

    Attributes:
        last_s: when the latest latency came in, by `time.perf_counter`; None before the first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.last_s: float | None = None
        self._all: dict[str, list[float]] = {}

    def add(self, stage: str, milliseconds: float) -> None:
        with self._lock:
            self._all.setdefault(stage, []).append(milliseconds)
            self.last_s = time.perf_counter()

    def all(self) -> dict[str, list[float]]:
        with self._lock:
            return {stage: list(times) for stage, times in self._all.items()}

    def take(self) -> dict[str, list[float]]:
        """Every latency since the last call, by stage."""
        with self._lock:
            taken, self._all = self._all, {}
            return taken
