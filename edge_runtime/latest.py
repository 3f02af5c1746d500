"""The newest frame of each camera that was looked at, for whoever asks to see it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_runtime.frame import Frame
from edge_runtime.sinks.drawing import annotate
from fissura.errors import SourceError
from fissura.messages import Detection

LARGEST_MAP_BYTES = 64 << 20  # of a larger one only the outlines are kept
JPEG_QUALITY = 85


class Latest:
    """Keeps references to what the pipeline has anyway. Safe to use from several threads.

    Attributes:
        cameras: their names.
    """

    def __init__(self, cameras: Iterable[str]) -> None:
        self.cameras = tuple(cameras)
        self._lock = threading.Lock()
        self._shown: dict[str, tuple[Frame, Sequence[Detection], NDArray[np.float32] | None]] = {}
        self._newest: str | None = None

    def put(self, camera: str, frame: Frame, detections: Sequence[Detection], probability: NDArray[np.float32]) -> None:
        """A frame was looked at."""
        kept = probability if probability.nbytes <= LARGEST_MAP_BYTES else None
        with self._lock:
            self._shown[camera] = (frame, detections, kept)
            self._newest = camera

    def size(self) -> tuple[int, int] | None:
        """Width and height of the newest frame, pixels; None before the first."""
        with self._lock:
            if self._newest is None:
                return None
            height, width = self._shown[self._newest][0].image.shape[:2]
        return width, height

    def jpeg(self, camera: str | None = None) -> bytes:
        """The newest frame of a camera with its cracks drawn in; None: of whichever was last.

        Raises:
            SourceError: there is no such camera, or none of its frames yet.
        """
        if camera is not None and camera not in self.cameras:
            raise SourceError(f"there is no camera {camera!r}", expected=f"one of: {', '.join(self.cameras)}")
        with self._lock:
            shown = self._shown.get(camera or self._newest or "")
        if shown is None:
            raise SourceError("no frame has been looked at yet", fix="ask again when the camera delivers")
        picture = cv2.cvtColor(annotate(*shown), cv2.COLOR_RGB2BGR)
        _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        return encoded.tobytes()
