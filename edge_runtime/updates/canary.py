"""A new model's first frames at work: the hard guardrails, until it has done enough to stay."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from edge_runtime.counters import Counters
from edge_runtime.hardware.process import own_use
from edge_runtime.hardware.temperatures import Temperatures
from edge_runtime.health.verdict import Judge
from edge_runtime.tap import Tap
from edge_runtime.updates.guardrails import CanaryConfig, check_canary
from edge_runtime.updates.losses import Losses
from edge_runtime.updates.output_check import OutputCheck
from fissura.errors import RejectedError

POLL_S = 0.2
EARLY = 10  # frames: whose median is beyond the limit of the 99th percentile, needs no more of them
LEAST = 30  # frames of the old model that say what its 99th percentile is


class HangError(RejectedError):
    """The engine does not come back from a frame: nothing can be asked of it any more."""


class Canary:
    """Watches the pipeline.

    Args:
        limits: of the device.
        tap: of the pipeline.
        counters: of the pipeline.
        root: of the file system.
    """

    def __init__(self, limits: CanaryConfig, tap: Tap, counters: Counters, root: Path = Path("/")) -> None:
        self._limits = limits
        self._tap = tap
        self._counters = counters
        self._temperatures = Temperatures(root)
        self._before: dict[str, float] = {}
        self._since_ns = 0
        self._losses = Losses(counters)
        self._progress = self._judge_of_progress()

    def switching(self, switch: Callable[[], None]) -> None:
        """Change models by `switch`, and remember how the old one did."""
        times = self._tap.engine_milliseconds(self._since_ns)
        self._before = {"dropped": Losses(self._counters, from_start=True).share()}
        if len(times) >= LEAST:
            self._before["engine_p99_ms"] = float(np.percentile(times, 99))
        switch()  # engines that load in the stream's thread cost frames, which are no fault of the model
        self._losses, self._since_ns = Losses(self._counters), time.perf_counter_ns()
        self._progress = self._judge_of_progress()

    def watch(self, stopping: threading.Event) -> Mapping[str, float]:
        """Watch until enough frames were done; see `Stream.canary`.

        Raises:
            RejectedError: a hard guardrail is broken.
        """
        limits, check = self._limits, OutputCheck()
        now_s = time.monotonic()
        end_s, next_s = now_s + limits.time_s, now_s
        while not stopping.is_set():
            finished = self._tap.take(POLL_S)
            if finished is not None and finished.began_ns >= self._since_ns:
                check.look(finished.probability)
            if time.monotonic() < next_s:  # figures cost time, which is the stream's
                continue
            next_s = time.monotonic() + POLL_S
            figures = self._figures()
            enough = figures["frames"] >= limits.frames and time.monotonic() >= end_s
            self._judge(figures, enough=enough)
            if enough:
                return figures
        return {}

    def _figures(self) -> dict[str, float]:
        times = self._tap.milliseconds(self._since_ns)
        figures = {
            "frames": float(len(times)),
            "failed": float(self._losses.failed),
            "dropped": self._losses.share(),
        }
        if times:
            figures |= {"p50_ms": float(np.percentile(times, 50)), "p99_ms": float(np.percentile(times, 99))}
            engine = self._tap.engine_milliseconds(self._since_ns)
            figures |= {"engine_p50_ms": float(np.percentile(engine, 50))}
            figures |= {"engine_p99_ms": float(np.percentile(engine, 99))}
        memory_mb = own_use().rss_mb
        if memory_mb is not None:
            figures["memory_mb"] = memory_mb
        if degrees := self._temperatures.read():
            figures["hottest_c"] = max(degrees.values())
        return figures

    def _judge(self, figures: dict[str, float], *, enough: bool) -> None:
        """What takes many frames to be sure of is judged at the end, or when there is no doubt."""
        self._check_progress()
        judged = dict(figures)
        if not enough:
            del judged["dropped"]
            for name, early in (("p99_ms", "p50_ms"), ("engine_p99_ms", "engine_p50_ms")):
                judged.pop(name, None)
                if figures["frames"] >= EARLY:
                    judged[name] = figures[early]
        check_canary(judged, self._before, self._limits)

    def _judge_of_progress(self) -> Judge:
        """From now on: what waited before the switch is no fault of the model."""
        return Judge(self._limits.silent_s, self._limits.silent_s)

    def _check_progress(self) -> None:
        limit_s = self._limits.silent_s
        if not self._progress.look(self._counters.snapshot()).processing:
            raise HangError(f"hang: a frame waits, and none was finished for {limit_s:g} s", expected="less")
