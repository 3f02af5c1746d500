"""How far two models are apart on the same frames, without labels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fissura.imaging.components import find_components, framed
from fissura.imaging.decode import MIN_LENGTH_PX
from fissura.imaging.hysteresis import crack_pixels
from fissura.imaging.images import Mask

BINS = 10
LEAST_SHARE = 1e-3  # of a bin: empty ones would make the index endless
LEAST_PIXELS = 1000  # of crack: a histogram of fewer says nothing


@dataclass(frozen=True)
class Reading:
    """What a model makes of its probability maps.

    Attributes:
        threshold: a pixel at or above it is crack.
        low_threshold: of hysteresis; None: the threshold alone decides.
        temperature: of the confidences.
    """

    threshold: float
    low_threshold: float | None = None
    temperature: float = 1.0

    def mask(self, probability: NDArray[np.float32]) -> Mask:
        """The crack pixels."""
        return crack_pixels(probability, self.threshold, self.low_threshold)

    @property
    def edges(self) -> NDArray[np.float64]:
        """Probabilities that lie between the bins of the confidences."""
        confidence = np.linspace(0, 1, BINS + 1)[1:-1]
        odds = (confidence / (1 - confidence)) ** self.temperature
        return np.asarray(odds / (1 + odds))


class Comparison:
    """Adds frames up.

    Args:
        old: of the model that runs.
        new: of the other one.
        rich_fraction: share of crack pixels, by the old model, that makes a frame a rich one.

    Attributes:
        frames: that were compared.
        rich: those of them with a lot of crack.
        free: those of them without any.
    """

    def __init__(self, old: Reading, new: Reading, rich_fraction: float) -> None:
        self._old = old
        self._new = new
        self._rich_fraction = rich_fraction
        self.frames = self.rich = self.free = 0
        self._both = self._either = 0
        self._fractions = np.zeros(2)
        self._components = 0.0
        self._histograms = np.zeros((2, BINS))

    def add(self, old: NDArray[np.float32], new: NDArray[np.float32]) -> None:
        """Compare two maps of one frame; where they have different scales, the finer one is made as coarse.

        Args:
            old, new: (H * scale, W * scale) float32.
        """
        old, new = _same_size(old, new)
        masks = self._old.mask(old), self._new.mask(new)
        either = masks[0] | masks[1]
        self._both += int(np.count_nonzero(masks[0] & masks[1]))
        self._either += int(np.count_nonzero(either))
        shares = [float(mask.mean()) for mask in masks]
        self._fractions += shares
        self._components += abs(_count(masks[0]) - _count(masks[1]))
        for number, (reading, probability) in enumerate(((self._old, old), (self._new, new))):
            bins = np.digitize(probability[either], reading.edges)
            self._histograms[number] += np.bincount(bins, minlength=BINS)
        self.frames += 1
        self.rich += shares[0] >= self._rich_fraction
        self.free += not masks[0].any()

    def figures(self) -> dict[str, float]:
        """What `check_shadow` judges.

        Returns:
            `mask_iou` of all frames together, `crack_fraction` (relative difference of the crack pixels' share), `psi`
            of the confidences where either sees a crack, `components` (mean difference a frame); and `frames`,
            `rich_frames`, `free_frames`.
        """
        before, after = self._fractions
        return {
            "mask_iou": self._both / self._either if self._either else 1.0,
            "crack_fraction": float(abs(after - before) / before) if before else float(after > 0),
            "psi": psi(*self._histograms) if self._either >= LEAST_PIXELS else 0.0,
            "components": self._components / max(self.frames, 1),
            "frames": float(self.frames),
            "rich_frames": float(self.rich),
            "free_frames": float(self.free),
        }


def psi(expected: NDArray[np.float64], found: NDArray[np.float64]) -> float:
    """Population stability index of two histograms with the same bins: 0 for equal ones; above 0.25 they are others.

    Example:
        >>> psi(np.array([10.0, 10.0]), np.array([20.0, 20.0]))
        0.0
    """
    shares = [np.maximum(counts / counts.sum(), LEAST_SHARE) for counts in (expected, found)]
    return float(np.sum((shares[1] - shares[0]) * np.log(shares[1] / shares[0])))


def mask_iou(first: Mask, second: Mask) -> float:
    """Intersection over union; 1 where both are empty."""
    either = np.count_nonzero(first | second)
    return float(np.count_nonzero(first & second) / either) if either else 1.0


def _count(mask: Mask) -> int:
    return find_components(framed(mask), min_length_px=MIN_LENGTH_PX).count


def _same_size(old: NDArray[np.float32], new: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    if old.shape == new.shape:
        return old, new
    height, width = min(old.shape, new.shape)
    coarse = [cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA) for image in (old, new)]
    return coarse[0], coarse[1]
