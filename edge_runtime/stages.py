"""How long each stage of a frame takes."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

REMEMBERED = 4096


class StageTimes:
    """The latest latencies of each stage, in milliseconds. Safe to read from another thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: dict[str, _Latest] = {}

    def measure(self, stage: str) -> AbstractContextManager[None]:
        """Time a block; a block that raises is not counted."""
        return _Block(self, stage)

    def add(self, stage: str, *milliseconds: float) -> None:
        """Record latencies."""
        with self._lock:
            for one in milliseconds:
                self._record(stage, one)

    def _record(self, stage: str, milliseconds: float) -> None:
        """The caller holds the lock."""
        if stage not in self._times:
            self._times[stage] = _Latest()
        self._times[stage].add(milliseconds)

    def all(self) -> dict[str, list[float]]:
        """Every remembered latency, by stage in the order of first use."""
        with self._lock:
            return {stage: times.in_order().tolist() for stage, times in self._times.items()}

    def medians(self) -> dict[str, float]:
        """Median of each stage, milliseconds, to the microsecond."""
        with self._lock:
            latest = {stage: times.in_order() for stage, times in self._times.items()}
        return {stage: round(_median(times), 3) for stage, times in latest.items()}


class _Block:
    """Times one block. Several are timed in each frame, and a generator costs nearly twice as much."""

    __slots__ = ("_began_ns", "_stage", "_times")

    def __init__(self, times: StageTimes, stage: str) -> None:
        self._times = times
        self._stage = stage

    def __enter__(self) -> None:
        self._began_ns = time.perf_counter_ns()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._times.add(self._stage, (time.perf_counter_ns() - self._began_ns) / 1e6)


class _Latest:
    """A ring of numbers in an array: every heartbeat wants their median, and a list would be converted each time."""

    def __init__(self) -> None:
        self._numbers = array("d", bytes(8 * REMEMBERED))
        self._values = np.frombuffer(self._numbers)
        self._count = 0

    def add(self, value: float) -> None:
        self._numbers[self._count % REMEMBERED] = value
        self._count += 1

    def in_order(self) -> NDArray[np.float64]:
        """A copy, the oldest first."""
        if self._count <= REMEMBERED:
            return self._values[: self._count].copy()
        return np.roll(self._values, -self._count)


def _median(values: NDArray[np.float64]) -> float:
    """As `np.median`, which takes several times as long for the few thousand there are."""
    low, high = (len(values) - 1) // 2, len(values) // 2
    parted = np.partition(values, (low, high))
    return float(parted[low] + parted[high]) / 2


def percentiles(milliseconds: Sequence[float]) -> dict[str, float]:
    """p50, p90, p99 and p999 of latencies, to the microsecond; empty for none."""
    if not milliseconds:
        return {}
    names = {"p50": 50.0, "p90": 90.0, "p99": 99.0, "p999": 99.9}
    return {name: round(float(np.percentile(milliseconds, q)), 3) for name, q in names.items()}
