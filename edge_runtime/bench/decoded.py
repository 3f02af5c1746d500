"""Sources of frames that lie in memory, and the output that tells when a frame has left the pipeline."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from edge_runtime.counters import Counters
from edge_runtime.frame import EndOfStream, Frame, Timeout
from edge_runtime.sinks.sink import Deadline, Sink
from edge_runtime.sources.source import Source
from fissura.config import Config
from fissura.errors import FissuraError
from fissura.imaging.images import RgbImage
from fissura.messages import Detection

NAME = "decoded"
POLL_S = 0.1


class Decoded(Source):
    """Gives frames as fast as they are taken.

    Args:
        scenes: (H, W, 3) uint8 RGB, used in turn.
        count: how many frames.
    """

    config_class: ClassVar[type[Config]] = Config
    live: ClassVar[bool] = False

    def __init__(self, scenes: Sequence[RgbImage], count: int) -> None:
        self.name = NAME
        self._scenes = scenes
        self._count = count
        self._sequence = 0

    def read(self) -> Frame | Timeout | EndOfStream:
        sequence = self._sequence
        if sequence == self._count:
            return EndOfStream()
        self._sequence += 1
        return Frame(
            image=self._scenes[sequence % len(self._scenes)],
            captured_monotonic_ns=time.monotonic_ns(),
            captured_utc=datetime.now(timezone.utc),
            clock_quality="unsynchronised",
            sequence=sequence,
            source=NAME,
        )

    def close(self) -> None:
        pass


class Exit(Sink):
    """The last of the outputs: when it is given a frame, the others have it."""

    config_class: ClassVar[type[Config]] = Config
    stage: ClassVar[str] = "exit"

    def __init__(self) -> None:
        self._left = threading.Semaphore(0)

    def put(self, frame: Frame, detections: Sequence[Detection], probability: NDArray[np.float32]) -> None:
        self._left.release()

    def wait(self, timeout_s: float) -> bool:
        """Whether a frame has left; each counts once."""
        return self._left.acquire(timeout=timeout_s)

    def flush(self, deadline: Deadline) -> None:
        pass

    def close(self, error: FissuraError | None = None) -> None:
        pass

    def totals(self) -> dict[str, int]:
        return {}


class OneByOne(Decoded):
    """Gives the next frame when the last one has left the pipeline, as SingleStream of MLPerf has it.

    Args:
        scenes: (H, W, 3) uint8 RGB, used in turn.
        count: how many frames.
        exit: told when a frame leaves.
        counters: of the pipeline: a frame that fails leaves by no exit.
    """

    def __init__(self, scenes: Sequence[RgbImage], count: int, exit: Exit, counters: Counters) -> None:
        super().__init__(scenes, count)
        self._exit = exit
        self._counters = counters
        self._lost = self._dropped()
        self._waiting = False

    def read(self) -> Frame | Timeout | EndOfStream:
        if self._waiting and not self._exit.wait(POLL_S):
            lost = self._dropped()
            if lost == self._lost:
                return Timeout()
            self._lost = lost
        self._waiting = True
        return super().read()

    def _dropped(self) -> int:
        return sum(self._counters.snapshot().drops.values())
