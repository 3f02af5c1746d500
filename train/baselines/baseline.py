"""What every baseline offers to the evaluation: a score for each pixel, and a decision threshold that can be fitted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from fissura.config import Config
from fissura.errors import DatasetError
from fissura.imaging.images import Mask, RgbImage
from fissura.metrics.ods import Ods

TOLERANCE_PX = 2.0  # of paper 001, at which the threshold is fitted

Scores = NDArray[np.float32]


class Baseline(ABC):
    """Base of the baselines. A subclass computes `score`; callers use `probability`.

    Attributes:
        config: configuration class, the constructor's only argument.
        learns: whether it has to be fitted before it can score anything.
        threshold: the score that `probability` moves to 0.5; `fit` sets it.
    """

    config: ClassVar[type[Config]]
    learns: ClassVar[bool] = False
    threshold: float = 0.5

    @abstractmethod
    def __init__(self, options: Config) -> None: ...

    @abstractmethod
    def score(self, frame: RgbImage) -> Scores:
        """How much each pixel looks like a crack.

        Args:
            frame: (H, W, 3) uint8 RGB.

        Returns:
            (H, W) float32 in [0, 1]; 0.5 is the method's own decision threshold, where it has one.
        """

    def probability(self, frame: RgbImage) -> Scores:
        """The score, stretched on both sides so that the fitted threshold lies at 0.5.

        Args:
            frame: (H, W, 3) uint8 RGB.

        Returns:
            (H, W) float32 in [0, 1].
        """
        score = self.score(frame)
        if self.threshold == 0.5:
            return score
        return np.interp(score, (0.0, self.threshold, 1.0), (0.0, 0.5, 1.0)).astype(np.float32)

    def fit(self, samples: Iterable[tuple[RgbImage, Mask]]) -> None:
        """Fit the decision threshold: the one that is best for all the images together (ODS, 2 px).

        Args:
            samples: images (H, W, 3) uint8 RGB and masks (H, W) bool.

        Raises:
            DatasetError: there are no images, or no crack in any of them.
        """
        counts, crack = Ods(tolerance_px=TOLERANCE_PX), 0
        for image, mask in samples:
            counts.add(self.score(image), mask)
            crack += int(mask.sum())
        if crack == 0:
            raise DatasetError("no crack to fit a threshold on", expected="images whose masks show cracks")
        self.threshold = counts.result().threshold


def grey(frame: RgbImage, sigma_px: float = 0.0) -> NDArray[np.float32]:
    """Brightness, smoothed by a Gaussian.

    Args:
        frame: (H, W, 3) uint8 RGB.
        sigma_px: of the Gaussian; 0 leaves the image as it is.

    Returns:
        (H, W) float32 in [0, 1].
    """
    brightness = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float32) / np.float32(255)
    return smooth(brightness, sigma_px)


def smooth(values: NDArray[np.float32], sigma_px: float) -> NDArray[np.float32]:
    """Gaussian of an (H, W) image, mirrored at the border; 0 leaves it as it is."""
    if sigma_px == 0:
        return values
    blurred = cv2.GaussianBlur(values, (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT)
    return blurred.astype(np.float32, copy=False)
