"""Latencies without a window: percentiles of a benchmark are over all of its frames."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager

from edge_runtime.stages import StageTimes


class EveryTime(StageTimes):
    """Forgets nothing, however long the run.

    Args:
        engines: stages of which the processor's time is taken as well. Not of all: asking for it goes through the
            kernel, and would count as what the pipeline costs.

    Attributes:
        last_s: when the latest latency came in, by `time.perf_counter`; None before the first.
        processor_s: of the thread that each of the engines ran in, while it did: all frames together.
    """

    def __init__(self, engines: Iterable[str] = ()) -> None:
        super().__init__()
        self.last_s: float | None = None
        self.processor_s: defaultdict[str, float] = defaultdict(float)
        self._engines = frozenset(engines)
        self._all: dict[str, list[float]] = {}

    def measure(self, stage: str) -> AbstractContextManager[None]:
        return self._with_processor(stage) if stage in self._engines else super().measure(stage)

    @contextmanager
    def _with_processor(self, stage: str) -> Iterator[None]:
        began_s, processor_s = time.perf_counter(), time.thread_time()
        yield
        processor_s = time.thread_time() - processor_s
        self.add(stage, (time.perf_counter() - began_s) * 1e3)
        self.processor_s[stage] += processor_s

    def _record(self, stage: str, milliseconds: float) -> None:
        super()._record(stage, milliseconds)
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
