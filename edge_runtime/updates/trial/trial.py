"""Building and testing a model away from the stream; see `Trial` in `edge_runtime.updates.ports`."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.run.config import RunConfig
from edge_runtime.updates.guardrails import TrialConfig, check_trial
from edge_runtime.updates.trial.child import StoppedError, TrialProcess
from edge_runtime.updates.trial.messages import Task

# Engines on a GPU reserve address space many times the size of what they use.
ON_THE_CPU = frozenset(("onnxruntime", "openvino"))


@dataclass(frozen=True)
class Running:
    """What the run is at.

    Attributes:
        config: of the run; its bundle is the one that runs.
        size: width and height of the newest frame, pixels; None before the first.
    """

    config: RunConfig
    size: tuple[int, int] | None

    def task_config(self, bundle: Path, **other: object) -> dict[str, object]:
        """The run's configuration with another bundle, as a trial process is told it."""
        return self.config.model_copy(update={"bundle": bundle, **other}).model_dump(mode="json", by_alias=True)

    @property
    def limits_address_space(self) -> bool:
        """Whether such a limit would not end every engine."""
        on_gpu = self.config.engine_option.get("device", "cpu") == "cuda"
        return self.config.engine in ON_THE_CPU and not on_gpu


class ProcessTrial:
    """Tries each model in a process with limits.

    Args:
        limits: of the device.
        running: asked before each trial.
    """

    def __init__(self, limits: TrialConfig, running: Callable[[], Running]) -> None:
        self._limits = limits
        self._running = running

    def run(self, bundle: Path, stopping: threading.Event) -> Mapping[str, float]:
        """Build and test a bundle; see `Trial.run`.

        Raises:
            RejectedError: it does not do on this device, or broke a limit. The first word says which: `memory`,
                `timeout`, `crash`, `external-data`, `graph`, `bundle`, `engine`, `golden`, `latency`, `nan`, `range` or
                `constant`.
        """
        limits, running = self._limits, self._running()
        task = Task(
            kind="trial",
            config=running.task_config(bundle),
            running=running.config.bundle if limits.running_iou > 0 else None,
            size=running.size,
            frames=limits.frames,
            niceness=limits.niceness,
            processor_s=int(limits.time_s * (os.cpu_count() or 1)) + 1,
        )
        try:
            with TrialProcess(
                task, limits.memory_mb, limits_address_space=running.limits_address_space, stopping=stopping
            ) as process:
                figures = process.answer(limits.time_s).figures
        except StoppedError:
            return {}
        check_trial(figures, limits)
        return figures
