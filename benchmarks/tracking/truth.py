"""Which true crack a detection lies on, told on the ground that a clip has seen."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from fissura.messages import Detection
from fissura.synth.flyover import FlyoverFrame, ground_of

NEAR_PX = 4  # of a crack: registration, pixels of the truth and the network's edge
LEAST_PX = 10  # shorter cracks are not reported
MOST_OF_IT = 0.5  # of a detection's outline


class Truth:
    """The cracks that came into view in a clip.

    Args:
        frames: of the clip.

    Attributes:
        cracks: how many.
    """

    def __init__(self, frames: Sequence[FlyoverFrame]) -> None:
        self._frames = frames
        ground = ground_of(frames).astype(np.uint8)
        count, labels, stats, _ = cv2.connectedComponentsWithStats(ground, connectivity=8)
        extent = stats[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]].max(axis=1)
        extent[0] = 0  # the ground itself
        kept = np.flatnonzero(extent >= LEAST_PX)
        number = np.zeros(count, np.uint16)
        number[kept] = np.arange(len(kept)) + 1
        disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * NEAR_PX + 1, 2 * NEAR_PX + 1))
        self._near = cv2.dilate(number[labels], disk)
        self.cracks = len(kept)

    def crack_of(self, detection: Detection) -> int | None:
        """The number of the crack that it lies on; None: on none."""
        pose = self._frames[detection.frame.sequence].pose
        x, y = np.rint(detection.crack.polygon_px.points @ pose[:2, :2].T + pose[:2, 2]).astype(int).T
        height, width = self._near.shape
        found = self._near[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
        votes = np.bincount(found, minlength=2)
        votes[0] = 0
        return int(votes.argmax()) if votes.max() >= MOST_OF_IT * len(found) else None
