"""False alarms on images without cracks, as a vehicle would report them.

Only images whose mask is empty are counted; on the others a pixel outside the mask may be a matter of drawing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fissura.errors import DataError
from fissura.imaging.decode import MIN_LENGTH_PX, find_cracks
from fissura.imaging.images import Mask
from fissura.metrics.levels import checked
from fissura.metrics.protocol import EvaluationProtocol, ThresholdConfig


class CrackFreeConfig(ThresholdConfig):
    """What counts as an alarm."""

    min_length_px: float = Field(MIN_LENGTH_PX, ge=1, description="shorter cracks are no alarm; pixels of the map")


class CrackFree(EvaluationProtocol):
    """False alarms on crack-free images."""

    config = CrackFreeConfig
    summary = "images without cracks: share with any crack found, and false pixels, at one threshold"
    headline = "false_alarm_share"
    at_threshold = ("false_alarm_share", "false_px_per_mpx")

    def __init__(self, threshold: float = 0.5, min_length_px: float = MIN_LENGTH_PX) -> None:
        self.threshold, self.min_length_px = threshold, min_length_px
        self._alarms: list[bool] = []
        self._false_px = self._px = 0

    def add(self, probability: NDArray[np.float32], mask: Mask) -> None:
        probability = checked(probability, mask)
        if mask.any():
            return
        self._alarms.append(bool(find_cracks(probability, threshold=self.threshold, min_length_px=self.min_length_px)))
        self._false_px += int(np.count_nonzero(probability >= np.float32(self.threshold)))
        self._px += probability.size

    def scores(self) -> dict[str, float]:
        """Share of images with an alarm, false pixels per megapixel, and how many images were crack-free.

        Raises:
            DataError: no image is free of cracks.
        """
        if not self._alarms:
            raise DataError(
                "every mask shows a crack",
                expected="images without cracks, their masks empty",
                fix="score this protocol on a set of crack-free images",
            )
        return {
            "false_alarm_share": float(np.mean(self._alarms)),
            "false_px_per_mpx": 1e6 * self._false_px / self._px,
            "crack_free_images": float(len(self._alarms)),
            "threshold": self.threshold,
        }
