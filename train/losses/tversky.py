"""Tversky loss and its focal power (paper 003)."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from fissura.config import Config
from train.losses.loss import Loss
from train.losses.overlap import LEAST_SMOOTH, Overlap, Reduction, overlap

# Least base of a power below 1, whose slope at 0 is infinite.
LEAST_BASE = 1e-7


def tversky_distance(found: Overlap, fn_weight: float, smooth: float) -> Tensor:
    """One minus the Tversky index ``(tp + s) / (tp + d fn + (1-d) fp + s)`` of the crack, without cancellation."""
    wrong = fn_weight * found.misses + (1 - fn_weight) * found.false_alarms
    return wrong / (found.hits + wrong + max(smooth, LEAST_SMOOTH))


class TverskyConfig(Config):
    """`fn_weight` weighs missed crack, 1 - fn_weight false alarms; `reduction` counts by image or by batch."""

    fn_weight: float = Field(0.7, ge=0, le=1)
    smooth: float = Field(1e-6, ge=0)
    reduction: Reduction = "image"


class Tversky(Loss):
    """One minus the Tversky index, mean over the images.

    Args:
        fn_weight: the weight of false negatives, d; 0.5 with half the smoothing is Dice.
        smooth: s.
        reduction: "image", or "batch" for the sums of the whole batch.

    Shape:
        logits, target (N, 1, H, W); scalar in [0, 1].

    Reference:
        paper 003, equation (4), whose alpha weighs false negatives; others call the weight of false positives alpha.
    """

    config = TverskyConfig

    def __init__(self, fn_weight: float = 0.7, smooth: float = 1e-6, reduction: Reduction = "image") -> None:
        super().__init__()
        self.fn_weight, self.smooth, self.reduction = fn_weight, smooth, reduction

    def value(self, logits: Tensor, crack: Tensor, distance: Tensor | None) -> Tensor:
        return tversky_distance(overlap(logits, crack, self.reduction), self.fn_weight, self.smooth).mean()


class FocalTverskyConfig(Config):
    """`gamma` is the exponent of one minus the Tversky index."""

    fn_weight: float = Field(0.7, ge=0, le=1)
    gamma: float = Field(0.75, gt=0)
    smooth: float = Field(1e-6, ge=0)


class FocalTversky(Loss):
    """``(1 - TI)^gamma``, mean over the images.

    Args:
        fn_weight, smooth: see `Tversky`.
        gamma: the exponent itself, where its first authors write 1 / gamma.

    Shape:
        logits, target (N, 1, H, W); scalar in [0, 1].

    Reference:
        paper 003, equation (6). The slope at 1 - TI = 0 is infinite, so 1 - TI is at least 1e-7.
    """

    config = FocalTverskyConfig

    def __init__(self, fn_weight: float = 0.7, gamma: float = 0.75, smooth: float = 1e-6) -> None:
        super().__init__()
        self.fn_weight, self.gamma, self.smooth = fn_weight, gamma, smooth

    def value(self, logits: Tensor, crack: Tensor, distance: Tensor | None) -> Tensor:
        wrong = tversky_distance(overlap(logits, crack, "image"), self.fn_weight, self.smooth)
        return (wrong.clamp_min(LEAST_BASE) ** self.gamma).mean()
