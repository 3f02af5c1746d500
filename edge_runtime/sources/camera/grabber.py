"""What reads a camera inside the reader process, and the table of those that there are."""

from __future__ import annotations

from typing import Protocol

from edge_runtime.sources.camera.ring import Pixels

GRABBERS: dict[str, str] = {
    "ffmpeg": "edge_runtime.sources.camera.ffmpeg:FfmpegGrabber",
    "gstreamer": "edge_runtime.sources.camera.gstreamer:GstreamerGrabber",
    "http": "edge_runtime.sources.camera.http_stream:HttpGrabber",
    "v4l2": "edge_runtime.sources.camera.v4l2:V4l2Grabber",
}


class Grabber(Protocol):
    """Reads one camera, once. Any call may hang: the watchdog in the run's process sees to that."""

    def open(self) -> None:
        """Connect.

        Raises:
            SourceError: there is no such camera, or it refuses.
        """

    def grab(self) -> None:
        """Wait for the next frame.

        Raises:
            SourceError: there will be no more.
        """

    def retrieve(self, into: Pixels | None) -> Pixels | None:
        """Decode what was grabbed.

        Args:
            into: where to put it, if it has this shape.

        Returns:
            (H, W, 3) BGR or (H, W, 4) BGRx: `into`, or an array of its own; None: the frame is unreadable.
        """
