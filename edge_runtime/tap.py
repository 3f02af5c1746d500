"""The newest frame that the pipeline has finished, and how long the last ones took, for whoever watches the model."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_runtime.model import Model
from fissura.imaging.images import RgbImage

REMEMBERED = 4096


@dataclass(frozen=True)
class Finished:
    """A frame, and what a model made of it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        probability: (H * scale, W * scale) float32, before frames are fused.
        model: that looked at it.
        began_ns: when the engine took it, by `time.perf_counter_ns`.
        milliseconds: from then until every output had it.
        engine_ms: from then until the map was there, which hardly depends on what is on the image.
    """

    image: RgbImage
    probability: NDArray[np.float32]
    model: Model
    began_ns: int
    milliseconds: float
    engine_ms: float


class Tap:
    """Holds references to what the pipeline has anyway; never makes it wait. Safe to use from several threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._newest: Finished | None = None
        self._times: deque[tuple[int, float, float]] = deque(maxlen=REMEMBERED)

    def put(self, finished: Finished) -> None:
        """A frame is done; an older one that nobody took is forgotten."""
        with self._changed:
            self._newest = finished
            self._times.append((finished.began_ns, finished.milliseconds, finished.engine_ms))
            self._changed.notify_all()

    def take(self, timeout_s: float) -> Finished | None:
        """The newest frame, each once; None where none comes within the time."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None, timeout_s)
            newest, self._newest = self._newest, None
            return newest

    def milliseconds(self, since_ns: int = 0) -> list[float]:
        """What the frames took that the engine was given since then, as far as they are remembered."""
        with self._changed:
            return [milliseconds for began_ns, milliseconds, _ in self._times if began_ns >= since_ns]

    def engine_milliseconds(self, since_ns: int = 0) -> list[float]:
        """The engine's share of them."""
        with self._changed:
            return [engine_ms for began_ns, _, engine_ms in self._times if began_ns >= since_ns]
