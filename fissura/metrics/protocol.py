"""What every evaluation protocol offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fissura.config import Config
from fissura.errors import DataError
from fissura.imaging.images import Mask
from fissura.metrics.matching import Match, match


@dataclass(frozen=True)
class Curve:
    """Precision against recall: three (n,) arrays, thresholds ascending."""

    threshold: NDArray[np.floating]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]


class NoOptions(Config):
    """For protocols whose every number is fixed by their source."""


class ThresholdConfig(Config):
    """For protocols that score one threshold."""

    threshold: float = Field(0.5, gt=0, le=1, description="a pixel is predicted where its probability is at least this")


class EvaluationProtocol(ABC):
    """One way of scoring probability maps against masks. Figures of different protocols are never mixed.

    The constructor's arguments are the fields of `config`.

    Attributes:
        config: configuration class.
        summary: one line: what is compared with what, and how images are pooled.
        headline: the score that stands for the others in a matrix of models and data sets.
        labels: folder of the data set that the protocol scores against unless it is told another.
        at_threshold: scores that also make sense for one binary map, for example at a bundle's own threshold.
    """

    config: ClassVar[type[Config]] = NoOptions
    summary: ClassVar[str]
    headline: ClassVar[str] = "f1"
    labels: ClassVar[str] = "masks"
    at_threshold: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def add(self, probability: NDArray[np.float32], mask: Mask) -> None:
        """Count one image.

        Args:
            probability: (H, W) float32 in [0, 1].
            mask: (H, W) bool, True where there is crack.

        Raises:
            DataError: the sizes differ, or a probability is not finite or not within 0 and 1.
        """

    @abstractmethod
    def scores(self) -> dict[str, float]:
        """Scores of the images so far, by name; `threshold` is among them where all belong to one threshold.

        Raises:
            DataError: there are no images.
        """

    def curve(self) -> Curve | None:
        """Precision against recall over the thresholds; None where the protocol has no such curve."""
        return None

    def match(self, predicted: Mask, truth: Mask) -> Match:
        """How the protocol judges the pixels of one binary map; for pictures of hits and misses."""
        return match(predicted, truth, 0)


def some(images: int) -> None:
    """Refuse to score nothing.

    Raises:
        DataError: the number is 0.
    """
    if not images:
        raise DataError("no image was scored", expected="at least one image and its mask")
