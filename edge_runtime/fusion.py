"""What successive frames say about the same place is added up, so that a crack gains confidence and a flicker loses it.

Evidence is the log-odds of a pixel's probability against those of the decision threshold: positive for crack, 0 at the
threshold itself, which so keeps its meaning. With each frame the evidence moves along with the picture, fades, and
takes up the frame's own (a Bayes filter with clamped log-odds, as in occupancy maps: Moravec and Elfes 1985; Hornung et
al., OctoMap, 2013).

Cracks are hardly wider than registration is exact: added up pixel by pixel, a crack of one pixel that is misplaced by
half a pixel is averaged away. So what the memory holds is matched to what the frame shows within a neighbourhood. Where
the frame sees a crack, the strongest evidence nearby speaks for it. Right beside a crack that the frame sees, the
memory speaks for no crack: it would be the same one, seen a little aside, and would grow wide. Everywhere else, place
by place.

Hysteresis decides in each frame, before its evidence is added: a weak pixel that hangs together with a strong one
enters at the threshold. Decided in the fused map it would fail, since negative evidence adds up as well: what lies a
little below the threshold in every frame would soon lie far below it.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edge_runtime.registration import Motion, Transform
from fissura.config import Config
from fissura.errors import ModelShapeError
from fissura.imaging.hysteresis import crack_pixels
from fissura.imaging.images import Mask

Map = NDArray[np.float32]

LEAST = np.float32(1e-6)  # probabilities nearer to 0 or 1 count as this
JUST_BELOW = np.float32(-1e-6)  # evidence of a probability that rounds to the threshold but is below it
MOST_FRAMES = 64


class FusionConfig(Config):
    """How long the memory lasts, and what may go into it."""

    frames: int = Field(4, ge=2, le=MOST_FRAMES, description="after so many, a frame's evidence has faded to 1/e")
    most_evidence: float = Field(3.0, gt=0, le=10, description="log-odds that one frame may add or take, per pixel")

    @property
    def decay(self) -> float:
        """Share of the evidence that is left after one frame."""
        return math.exp(-1 / self.frames)


class EvidenceMap:
    """The evidence of all frames so far, in the coordinates of the latest; two maps, whatever the number of frames.

    Args:
        config: how the evidence fades.
        scale: map pixels per camera pixel along each axis.

    Attributes:
        evidence: (H * scale, W * scale) float32, 0 at the threshold; None before the first frame.
        support: (H * scale, W * scale) uint8, in how many successive frames a place was seen, at most 255; 0 where it
            was not to be looked at. None before the first frame.
    """

    def __init__(self, config: FusionConfig, scale: int = 1) -> None:
        self._decay, self._most = np.float32(config.decay), np.float32(config.most_evidence)
        self._bound = np.float32(config.most_evidence / (1 - config.decay))  # what an endless row of frames adds up to
        self.scale = scale
        reach = 2 * max(1, scale // 2) + 1
        self._near = np.ones((reach, reach), np.uint8)
        self.evidence: Map | None = None
        self.support: NDArray[np.uint8] | None = None

    def add(self, probability: Map, threshold: float, motion: Transform | None, keep: Mask | None = None) -> Map:
        """Take up one frame.

        Args:
            probability: (H * scale, W * scale) float32, 0 to 1; not-a-number counts as 0.
            threshold: pixels at and above it are crack.
            motion: (3, 3) coordinates in the frame before to coordinates in this one, camera-frame pixels; None
                forgets the frames before.
            keep: (H * scale, W * scale) bool, what is to be looked at; the rest never enters the memory.

        Returns:
            The probability of all frames together, in the same shape: at or above the threshold where the evidence is
            0 or more. What is seen for the first time has the probability that the frame gives it.
        """
        own = self._evidence_of(probability, np.float32(threshold))
        if motion is None or self.evidence is None or self.support is None or self.evidence.shape != own.shape:
            fused, support = own, np.ones(own.shape, np.uint8)
        else:
            remembered = np.clip(self._moved(self.evidence, motion, cv2.INTER_CUBIC), -self._bound, self._bound)
            fused = self._decay * self._matched(remembered, own)
            fused += own
            support = cv2.add(self._moved(self.support, motion, cv2.INTER_NEAREST), 1)
        if keep is not None:
            fused[~keep] = 0
            support[~keep] = 0
        self.evidence, self.support = fused, support
        result = _probability_of(fused, np.float32(threshold))
        np.copyto(result, np.fmax(probability, np.float32(0)), where=support <= 1)
        return result

    def _evidence_of(self, probability: Map, threshold: np.float32) -> Map:
        """Log-odds against those of the threshold: never negative at or above it, always below."""
        bounded = np.fmin(np.fmax(probability, LEAST), 1 - LEAST)  # fmax takes the number beside a not-a-number
        limit = np.float32(min(max(threshold, LEAST), 1 - LEAST))
        # In this form a probability that equals the threshold gives exactly 0.
        odds = (bounded * (1 - limit)) / (limit * (1 - bounded))
        evidence = np.clip(cv2.log(odds), -self._most, self._most)
        np.minimum(evidence, JUST_BELOW, out=evidence, where=~(probability >= threshold))
        return evidence

    def _matched(self, remembered: Map, own: Map) -> Map:
        crack = own >= 0
        if not crack.any():
            return remembered
        beside = cv2.dilate(crack.view(np.uint8), self._near).view(np.bool_) & ~crack
        matched = remembered.copy()
        np.minimum(remembered, 0, out=matched, where=beside)
        np.copyto(matched, cv2.dilate(remembered, self._near), where=crack)
        return matched

    def _moved(self, values: NDArray[np.generic], motion: Transform, interpolation: int) -> NDArray[np.generic]:
        """A map moved along with the picture; 0 where nothing was seen before."""
        height, width = values.shape
        aside = (self.scale - 1) / 2
        to_map = np.array([[self.scale, 0, aside], [0, self.scale, aside], [0, 0, 1]])
        transform = to_map @ motion @ np.linalg.inv(to_map)
        border = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": 0}
        return cv2.warpPerspective(values, transform, (width, height), flags=interpolation, **border)


class TemporalFusion:
    """Adds up what the frames of a camera say.

    A frame whose motion is not known stands alone, and the memory starts with it.

    Args:
        config: see `FusionConfig`.
        scale: map pixels per camera pixel along each axis.
    """

    def __init__(self, config: FusionConfig, scale: int = 1) -> None:
        self.scale = scale
        self._map = EvidenceMap(config, scale)

    def update(
        self,
        size: tuple[int, int],
        probability: Map,
        threshold: float,
        motion: Motion | None,
        keep: Mask | None = None,
        low_threshold: float | None = None,
    ) -> Map:
        """Take up one frame.

        Args:
            size: height and width of the camera frame, pixels.
            probability: (H * scale, W * scale) float32, 0 to 1, of this frame.
            threshold: pixels at and above it are crack.
            motion: from the frame that was taken up before into this one; None: not known.
            keep: (H, W) bool, what belongs to the ground; None: all of the frame.
            low_threshold: of hysteresis, not above the threshold; None: the threshold alone decides.

        Returns:
            (H * scale, W * scale) float32, the probability of all frames together; see `EvidenceMap.add`. The
            threshold alone decides what of it is crack, also with hysteresis.

        Raises:
            ModelShapeError: the map has another size than the frame times the scale.
        """
        height, width = size
        if probability.shape != (height * self.scale, width * self.scale):
            raise ModelShapeError(
                f"the probability map has the shape {probability.shape}",
                expected=f"{self.scale} times the frame's, {height} x {width}",
            )
        where = None if keep is None else keep.repeat(self.scale, 0).repeat(self.scale, 1)
        if low_threshold is not None:
            crack = crack_pixels(probability, threshold, low_threshold, where)
            probability = np.where(crack, np.fmax(probability, np.float32(threshold)), probability)
        return self._map.add(probability, threshold, None if motion is None else motion.transform, where)


def _probability_of(evidence: Map, threshold: np.float32) -> Map:
    """The inverse of the log-odds against the threshold's: at or above it where the evidence is 0 or more."""
    limit = np.float32(min(max(threshold, LEAST), 1 - LEAST))
    result = 1 / (1 + (1 - limit) / limit * cv2.exp(-evidence))
    crack = evidence >= 0
    np.maximum(result, threshold, out=result, where=crack)
    np.minimum(result, np.nextafter(threshold, np.float32(-1)), out=result, where=~crack)
    return result
