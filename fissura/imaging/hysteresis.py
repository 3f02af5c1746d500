"""Hysteresis: what is weak counts where it hangs together with something strong.

Reference: Canny, "A computational approach to edge detection", TPAMI 8(6), 1986, section VI.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from fissura.imaging.images import Mask


def crack_pixels(
    probability: NDArray[np.float32], threshold: float, low_threshold: float | None = None, keep: Mask | None = None
) -> Mask:
    """What of a probability map is crack.

    Args:
        probability: (H, W) float32; not-a-number is background.
        threshold: pixels at and above it are crack.
        low_threshold: of hysteresis, not above the threshold; None: the threshold alone decides.
        keep: (H, W) bool, where to look; None is everywhere. What lies beyond holds nothing together.

    Returns:
        (H, W) bool.
    """
    strong = probability >= np.float32(threshold)
    if keep is not None:
        strong &= keep
    if low_threshold is None:
        return strong
    weak = probability >= np.float32(low_threshold)
    return hysteresis(weak if keep is None else weak & keep, strong)


def hysteresis(weak: Mask, strong: Mask) -> Mask:
    """The 8-connected components of the weak pixels that hold a strong one.

    Args:
        weak: (H, W) bool, what is at or above the low threshold.
        strong: (H, W) bool, what is at or above the threshold; only what is weak as well counts.

    Returns:
        (H, W) bool: no less than the strong pixels among the weak, no more than the weak.

    Example:
        >>> hysteresis(np.array([[1, 1, 0, 1, 1]], bool), np.array([[0, 1, 0, 0, 0]], bool)).astype(int)
        array([[1, 1, 0, 0, 0]])
    """
    count, labels = cv2.connectedComponents(np.ascontiguousarray(weak).view(np.uint8), connectivity=8)
    held = np.zeros(count, bool)
    held[labels[strong]] = True
    held[0] = False  # the background
    return held[labels]


def low_for(threshold: float, low_threshold: float, other: float) -> float:
    """The low threshold that goes with another threshold: as far below it, in log-odds.

    So a lower threshold always finds more and a higher one less; without the low one a slightly lower threshold would
    find far less, and with the low one as it is a much lower threshold would lie below it.

    Args:
        threshold, low_threshold: the pair that was chosen, 0 < low_threshold <= threshold < 1.
        other: in (0, 1).

    Returns:
        In (0, other]; the chosen one where the other threshold is the chosen one.

    Example:
        >>> round(low_for(0.8, 0.5, 0.5), 3)
        0.2
    """
    if other == threshold:
        return low_threshold
    odds = other / (1 - other) * (low_threshold / (1 - low_threshold)) / (threshold / (1 - threshold))
    return min(odds / (1 + odds), other)
