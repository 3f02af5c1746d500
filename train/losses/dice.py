"""Dice loss, linear or squared, and its sum with binary cross-entropy (papers 003 and 004)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from torch import Tensor

from fissura.config import Config
from train.losses.cross_entropy import cross_entropy
from train.losses.loss import Loss
from train.losses.overlap import LEAST_SMOOTH, Reduction, overlap


class DiceConfig(Config):
    """`power` 2 squares the terms of the divisor; `reduction` counts by image or over the whole batch."""

    smooth: float = Field(1.0, ge=0)
    power: Literal[1, 2] = 1
    reduction: Reduction = "image"


class Dice(Loss):
    """``1 - (2 sum y p + s) / (sum y^k + sum p^k + s)``, mean over the images.

    Args:
        smooth: s.
        power: k.
        reduction: "image", or "batch" for the sums of the whole batch.

    Shape:
        logits, target (N, 1, H, W); scalar in [0, 1].

    Reference:
        power 1: paper 003, equation (1), and with s = 0 over the batch one minus the F1 of paper 002, equation (6).
        power 2: paper 003, equation (5), whose 1/N is read as the mean over images; paper 004 with s = 1e-6, as its
        official code.
    """

    config = DiceConfig

    def __init__(self, smooth: float = 1.0, power: Literal[1, 2] = 1, reduction: Reduction = "image") -> None:
        super().__init__()
        self.smooth, self.power, self.reduction = max(smooth, LEAST_SMOOTH), power, reduction

    def value(self, logits: Tensor, crack: Tensor, distance: Tensor | None) -> Tensor:
        found = overlap(logits, crack, self.reduction, self.power)
        both = found.cracks + found.predicted
        return ((both - 2 * found.hits) / (both + self.smooth)).mean()  # one minus Dice, without cancellation


class BceDiceConfig(Config):
    """No options."""


class BceDice(Loss):
    """Binary cross-entropy plus linear Dice with a smoothing of 1.

    Shape:
        logits, target (N, 1, H, W); scalar.

    Reference:
        paper 003, equation (1), whose signs are wrong and whose cross-entropy lacks the background term.
    """

    config = BceDiceConfig

    def __init__(self) -> None:
        super().__init__()
        self.dice = Dice()

    def value(self, logits: Tensor, crack: Tensor, distance: Tensor | None) -> Tensor:
        return cross_entropy(logits, crack) + self.dice.value(logits, crack, distance)
