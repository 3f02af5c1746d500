"""What every output offers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_runtime.control import Control
from edge_runtime.counters import Counters
from edge_runtime.frame import Frame
from edge_runtime.health.outbox import Outbox
from edge_runtime.stages import StageTimes
from fissura.config import Config
from fissura.errors import FissuraError
from fissura.messages import Detection, ModelStamp


class Deadline:
    """How long flushing may take, all outputs together; a second signal cuts it short.

    Args:
        seconds: counted from `start`.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = float("inf")

    def start(self) -> None:
        """Begin to count."""
        self._end = time.monotonic() + self._seconds

    def cancel(self) -> None:
        """Nothing is left, now or later. May be called from a signal handler."""
        self._seconds = self._end = float("-inf")

    def remaining_s(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - time.monotonic())


@dataclass
class SinkContext:
    """What the run tells every output.

    Attributes:
        serial: of the device.
        mission_id: of the run.
        model: that looks at the frames; may change in a run.
        counters: what the pipeline has done so far, for telemetry.
        times: latencies of the stages, for telemetry.
        fail: ends the run with an error, from any thread.
        control: what remote commands may do; None: no commands are taken.
        on_model: called, from any thread, when another model has taken over.
    """

    serial: str
    mission_id: str
    model: ModelStamp
    counters: Counters = field(default_factory=Counters)
    times: StageTimes = field(default_factory=StageTimes)
    fail: Callable[[FissuraError], None] = lambda error: None
    control: Control | None = None
    on_model: list[Callable[[], None]] = field(default_factory=list)

    def model_changed(self, stamp: ModelStamp) -> None:
        """Tell every output that asked for it."""
        self.model = stamp
        for call in self.on_model:
            call()


class Sink(Protocol):
    """Takes what was found, frame by frame. Built as ``Class(address, config, context)``; used by one thread.

    Attributes:
        config_class: the options of its address.
        stage: name of its latency in the stage times.
        takes: which detections it wants: all that are `seen` in a frame, or what is to be `told` of them; the same
            unless the run tracks cracks.
        outbox: the message store of an output that has one, for those who look after the run's health.
    """

    config_class: ClassVar[type[Config]]
    stage: ClassVar[str]
    takes: ClassVar[Literal["seen", "told"]] = "seen"
    outbox: Outbox | None = None

    def put(self, frame: Frame, detections: Sequence[Detection], probability: NDArray[np.float32]) -> None:
        """Take the detections of a frame, none of them included.

        Args:
            frame: the camera frame.
            detections: one a crack, longest first. Where an output takes what is told and the run tracks cracks: those
                that say something new, and behind them events that have ended, with the stamp of an earlier frame.
            probability: (H*s, W*s) float32; valid during the call only.

        Raises:
            SinkError, SpoolError: this frame's detections could not be kept.
        """

    def flush(self, deadline: Deadline) -> None:
        """Bring everything out that was put, as far as the deadline allows."""

    def close(self, error: FissuraError | None = None) -> None:
        """Finish the output. Works without a flush before it, and a second time.

        Args:
            error: what ended the run, where it did not end well.
        """

    def totals(self) -> dict[str, int]:
        """What it has done, by name, for the closing summary."""
