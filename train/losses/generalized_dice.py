"""Generalised Dice loss (paper 004)."""

from __future__ import annotations

from torch import Tensor

from fissura.config import Config
from train.losses.loss import Loss
from train.losses.overlap import LEAST_SMOOTH, overlap


class GeneralizedDiceConfig(Config):
    """`two_class` counts background too, each class weighted by the inverse square of its size."""

    two_class: bool = True


class GeneralizedDice(Loss):
    """``1 - 2 sum_l w_l overlap_l / sum_l w_l (size_l + predicted_l)``, mean over the images.

    Args:
        two_class: crack and background with w = 1 / max(size, 1)^2. False is paper 004's official code: crack alone,
            where w cancels but for a smoothing of 1e-5, which its numerator counts twice; there the value can reach
            -1 on an image full of crack, and is flat on one without.

    Shape:
        logits, target (N, 1, H, W); scalar.

    Reference:
        paper 004, equation (4), after Sudre and others. Their weight of an empty class is infinite.
    """

    config = GeneralizedDiceConfig

    def __init__(self, two_class: bool = True) -> None:
        super().__init__()
        self.two_class = two_class

    def value(self, logits: Tensor, crack: Tensor, distance: Tensor | None) -> Tensor:
        found = overlap(logits, crack, "image")
        both = found.cracks + found.predicted
        wrong = both - 2 * found.hits
        if not self.two_class:
            smooth = 1e-5 * found.cracks**2  # both sides of the fraction times 1 / w
            return ((wrong - smooth) / (both + (smooth + LEAST_SMOOTH))).mean()
        on_crack = found.cracks.clamp_min(1) ** -2
        on_background = (found.pixels - found.cracks).clamp_min(1) ** -2
        # A wrong pixel is missed by one class and a false alarm of the other, so it counts for both.
        sizes = (on_crack - on_background) * both + 2 * found.pixels * on_background
        return ((on_crack + on_background) * wrong / sizes).mean()
