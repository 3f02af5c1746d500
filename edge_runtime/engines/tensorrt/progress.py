"""The progress of a build, as TensorRT 10 and newer report it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edge_runtime.engines.tensorrt.request import Progress


def make_monitor(trt: Any, report: Callable[[Progress], None]) -> Any:
    """A monitor for the builder's configuration, which has to outlive the build.

    Args:
        trt: the module, 10.0 or newer.
        report: is called from TensorRT's threads.
    """

    class _Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._steps: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._steps[phase_name] = num_steps
            report(Progress(phase=phase_name, step=0, steps=num_steps))

        def step_complete(self, phase_name: str, step: int) -> bool:
            report(Progress(phase=phase_name, step=step + 1, steps=self._steps.get(phase_name, 0)))
            return True  # go on

        def phase_finish(self, phase_name: str) -> None:
            self._steps.pop(phase_name, None)

    return _Monitor()
