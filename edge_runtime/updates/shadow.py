"""Old and new model on the same frames: the new one in a process of its own, which the stream does not wait for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from edge_runtime.counters import Counters
from edge_runtime.engines import AUTO
from edge_runtime.model import Model
from edge_runtime.proof import REFERENCE
from edge_runtime.tap import Tap
from edge_runtime.updates.comparison import Comparison, Reading
from edge_runtime.updates.guardrails import ShadowConfig, check_shadow
from edge_runtime.updates.losses import Losses
from edge_runtime.updates.output_check import OutputCheck
from edge_runtime.updates.trial.child import StoppedError, TrialProcess
from edge_runtime.updates.trial.messages import Opened, Task
from edge_runtime.updates.trial.trial import Running
from fissura.errors import DeferredError, RejectedError

POLL_S = 0.2
OPEN_S = 1800.0  # the trial has built the engine: this is for one that is not kept
STAND_BACK_S = 10.0  # after frames of the stream were lost
LOST = 0.02  # share of the stream's frames, beyond what it loses without a shadow


class Shadow:
    """Shows frames of the stream to a new model. The newest one is taken when there is time, the others pass by.

    Args:
        limits: of the device.
        running: what the run is at.
        tap: of the pipeline.
        counters: of the pipeline: where it loses frames, the shadow stands back.
    """

    def __init__(self, limits: ShadowConfig, running: Callable[[], Running], tap: Tap, counters: Counters) -> None:
        self._limits = limits
        self._running = running
        self._tap = tap
        self._counters = counters
        self._bundle: Path | None = None
        self._comparison: Comparison | None = None  # of that bundle
        self._readings: tuple[Reading, Reading] | None = None

    def run(self, bundle: Path, stopping: threading.Event) -> Mapping[str, float]:
        """Compare until enough frames were seen, with a lot of crack and with none; see `Stream.shadow`.

        Raises:
            RejectedError: the new model crashed, broke a limit, or finds something else than the old one.
            DeferredError: too little was seen so far: to be called again, so that something newer is not missed.
        """
        limits, running = self._limits, self._running()
        if not limits.frames:
            return {}
        other: dict[str, object] = {"threads": 1, "budget_ms": None}
        if running.config.engine == AUTO:
            other["engine"] = REFERENCE
        task = Task(kind="shadow", config=running.task_config(bundle, **other), niceness=limits.niceness)
        if bundle != self._bundle:
            self._bundle, self._comparison, self._readings = bundle, None, None
        before = Losses(self._counters, from_start=True).share()
        try:
            with TrialProcess(
                task, limits.memory_mb, limits_address_space=running.limits_address_space, stopping=stopping
            ) as process:
                opened = process.answer(OPEN_S).opened
                if opened is None:
                    raise RejectedError("protocol: the trial process does not say that the model is open")
                figures = self._compare(process, opened, before, stopping)
                figures["memory_mb"] = process.peak_bytes / 1e6
        except StoppedError:
            return {}
        check_shadow(figures, limits)
        return figures

    def _compare(
        self, process: TrialProcess, opened: Opened, lost_before: float, stopping: threading.Event
    ) -> dict[str, float]:
        limits, check = self._limits, OutputCheck()
        new = Reading(opened.threshold, opened.low_threshold, opened.temperature)
        lost, times = Losses(self._counters), list[float]()
        end_s = time.monotonic() + limits.look_s
        comparison = self._comparison
        while not times or comparison is None or not self._enough(comparison):
            if time.monotonic() > end_s:
                raise DeferredError(f"shadow: {_words(comparison)} so far", expected=_wanted(limits))
            finished = self._tap.take(POLL_S)
            if stopping.is_set():
                raise StoppedError
            if finished is None:
                continue
            old = _reading(finished.model)
            if comparison is None or (old, new) != self._readings:  # begun, or a command changed the threshold
                comparison = self._comparison = Comparison(old, new, limits.rich_fraction)
                self._readings = old, new
            turn_s = time.monotonic()
            found, milliseconds = process.look(finished.image, limits.frame_s)
            check.look(found, should_vary=bool(finished.probability.max() >= old.threshold))
            comparison.add(finished.probability, found)
            times.append(milliseconds)
            # The whole turn: what it takes here, on either side, the stream does not have.
            pause_s = (time.monotonic() - turn_s) * (1 / limits.time_share - 1)
            if lost.share() > lost_before + LOST:
                pause_s, lost = max(pause_s, STAND_BACK_S), Losses(self._counters)
            stopping.wait(pause_s)
        return {**comparison.figures(), "shadow_ms": sum(times) / len(times)}

    def _enough(self, comparison: Comparison) -> bool:
        limits = self._limits
        return (
            comparison.frames >= limits.frames
            and comparison.rich >= limits.rich_frames
            and comparison.free >= limits.free_frames
        )


def _words(comparison: Comparison | None) -> str:
    if comparison is None:
        return "no frame"
    return f"{comparison.frames} frames, {comparison.rich} of them with a lot of crack, {comparison.free} with none"


def _wanted(limits: ShadowConfig) -> str:
    return f"{limits.frames}, {limits.rich_frames} and {limits.free_frames}"


def _reading(model: Model) -> Reading:
    return Reading(model.stamp.threshold, model.low_threshold, model.inference.temperature)
