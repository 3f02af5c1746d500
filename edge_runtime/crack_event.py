"""One crack over many frames: where it is, its best sighting, and what was told of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid4

import numpy as np
from numpy.typing import NDArray

from edge_runtime.crack_outline import Outline
from edge_runtime.registration import Transform
from fissura.messages import Detection

LEAST_IN_VIEW = 4  # points of an outline, half of the shortest one's: less than that no network finds again
MOST_COVERED = 2  # frames: a network that blinks joins two cracks for one
GROWTH = 1.25  # of the length: from frame to frame it differs by less than this


@dataclass(frozen=True, eq=False)
class Patch:
    """A place where an event was seen, and for how many processed frames it was not seen again."""

    outline: Outline
    missed: int = 0


@dataclass(frozen=True, eq=False)
class CrackEvent:
    """An event as it stands after a frame; nothing in it changes.

    Attributes:
        id: of the event.
        patches: where it was seen lately; none where it is out of view.
        frames: in which it was seen.
        best: its longest sighting; of equal ones the most confident.
        told_px: the greatest length that was told.
        told_at: (2,) where the middle of the frame in which it was last told is now, camera-frame pixels.
        covered: frames in which an older event's crack covered it, less those in which it was seen by itself since.
        part_of: the older event whose crack has covered it since it was last seen by itself; None: there is none.
    """

    id: UUID
    patches: tuple[Patch, ...]
    frames: int
    best: Detection
    told_px: float
    told_at: NDArray[np.float64]
    covered: int = 0
    part_of: UUID | None = None

    @classmethod
    def of(cls, sighting: Detection, outline: Outline, size: tuple[int, int]) -> CrackEvent:
        """One that begins, and is told.

        Args:
            sighting: gives the event its id.
            outline: of the crack.
            size: height and width of the frame, pixels; so below.
        """
        return cls(sighting.event_id, (Patch(outline),), 1, sighting, sighting.crack.length_px, _middle(size))

    def moved(self, transform: Transform, size: tuple[int, int]) -> CrackEvent:
        """The same after the picture has moved."""
        patches = (replace(patch, outline=patch.outline.moved(transform, size)) for patch in self.patches)
        in_view = tuple(patch for patch in patches if len(patch.outline.points) >= LEAST_IN_VIEW)
        x, y, depth = transform @ (*self.told_at, 1.0)
        return replace(self, patches=in_view, told_at=np.array((x, y)) / depth)

    def seen_again(self, pieces: Sequence[Detection]) -> CrackEvent:
        """The same after a frame that shows it, in so many pieces."""
        best, covered = max((self.best, *pieces), key=extent), max(0, self.covered - 1)
        return replace(self, frames=self.frames + 1, best=best, covered=covered, part_of=None)

    def covered_by(self, older: CrackEvent) -> CrackEvent:
        """The same after a frame in which another event's crack lies over it; given up where that is so for long."""
        covered = self.covered + 1
        patches = self.patches if covered < MOST_COVERED else ()
        return replace(self, patches=patches, covered=covered, part_of=older.id)

    def is_news(self, sighting: Detection, size: tuple[int, int]) -> bool:
        """Whether a sighting says more than what was told: more of the crack at once, or another part of it."""
        way_px = float(np.hypot(*(self.told_at - _middle(size))))
        return sighting.crack.length_px >= GROWTH * self.told_px or way_px >= min(size)

    def told(self, sighting: Detection, size: tuple[int, int]) -> CrackEvent:
        """The same after a sighting was told."""
        return replace(self, told_px=max(self.told_px, sighting.crack.length_px), told_at=_middle(size))

    def end(self, now: datetime) -> Detection:
        """The last word: its best sighting under a new message id."""
        return self.best.model_copy(
            update={
                "uuid": uuid4(),
                "sent_utc": now,
                "event_id": self.id,
                "phase": "end",
                "seen_frames": self.frames,
                "part_of": self.part_of,
            }
        )


def extent(sighting: Detection) -> tuple[float, float]:
    """What makes a sighting better than another: its length, then its confidence."""
    return sighting.crack.length_px, sighting.confidence


def _middle(size: tuple[int, int]) -> NDArray[np.float64]:
    return np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
