"""A camera frame on its way through the runtime, and what a source gives when it has none."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from fissura.imaging.images import RgbImage
from fissura.messages import FrameStamp, Position

ClockQuality = Literal["unsynchronised", "ntp", "gnss", "file"]


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        image: (H, W, 3) uint8 RGB; nobody writes into it.
        captured_monotonic_ns: the monotonic clock at capture, nanoseconds.
        captured_utc: the same instant by the wall clock, or the file's time for a frame from a file.
        clock_quality: how far `captured_utc` can be trusted.
        sequence: counts the frames of the source since its start, unreadable ones included.
        source: name of the source.
        name: file name, where the frame came from a file.
        gsd_mm_per_px: ground sampling distance of this frame; None when it is not known.
    """

    image: RgbImage
    captured_monotonic_ns: int
    captured_utc: datetime
    clock_quality: ClockQuality
    sequence: int
    source: str
    name: str | None = None
    gsd_mm_per_px: float | None = None

    def stamp(self, position: Position | None = None) -> FrameStamp:
        """What a message says about this frame, and where the camera was."""
        height, width = self.image.shape[:2]
        return FrameStamp(
            source=self.source,
            sequence=self.sequence,
            captured_utc=self.captured_utc,
            captured_monotonic_ns=self.captured_monotonic_ns,
            clock_quality=self.clock_quality,
            width_px=width,
            height_px=height,
            name=self.name,
            gsd_mm_per_px=self.gsd_mm_per_px,
            position=position,
        )


@dataclass(frozen=True)
class Timeout:
    """No frame yet: ask again."""


@dataclass(frozen=True)
class EndOfStream:
    """There will be no more frames."""
