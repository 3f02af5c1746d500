"""Combo loss, and its mixtures with the boundary loss whose share grows with the epochs (paper 004)."""

from __future__ import annotations

import math

from pydantic import Field
from torch import Tensor

from fissura.config import Config
from train.losses.boundary import Boundary
from train.losses.cross_entropy import cross_entropy
from train.losses.dice import Dice
from train.losses.generalized_dice import GeneralizedDice
from train.losses.loss import Loss


class ComboConfig(Config):
    """`gamma` is the share of the cross-entropy, `w_pos` the weight of its crack term."""

    gamma: float = Field(0.5, ge=0, le=1)
    w_pos: float = Field(0.5, ge=0, le=1)


class Combo(Loss):
    """``(1 - gamma) Dice + gamma WCE(w_pos)``, with squared Dice.

    Args:
        gamma, w_pos: see `ComboConfig`.

    Shape:
        logits, target (N, 1, H, W); scalar.

    Reference:
        paper 004, the bracket of equation (3); Dice smoothed by 1e-6, as in its official code.
    """

    config = ComboConfig

    def __init__(self, gamma: float = 0.5, w_pos: float = 0.5) -> None:
        super().__init__()
        self.gamma, self.w_pos = gamma, w_pos
        self.dice: Loss = Dice(smooth=1e-6, power=2)

    def value(self, logits: Tensor, crack: Tensor, distance: Tensor | None) -> Tensor:
        entropy = cross_entropy(logits, crack, self.w_pos, 1 - self.w_pos)
        return (1 - self.gamma) * self.dice.value(logits, crack, distance) + self.gamma * entropy


class BoundaryComboConfig(ComboConfig):
    """`alpha`, the boundary loss's share: fixed, or by epoch ``min(start + step * epoch, max)``, counted from 0."""

    normalized: bool = False
    alpha: float | None = Field(None, ge=0, le=1)
    alpha_start: float = Field(0.01, ge=0, le=1)
    alpha_step: float = Field(0.01, ge=0, le=1)
    alpha_max: float = Field(0.99, ge=0, le=1)


class BoundaryCombo(Loss):
    """``alpha Boundary + (1 - alpha) Combo``, where alpha follows the epochs that the trainer tells.

    Args:
        gamma, w_pos: see `Combo`; w_pos 19/20 is the paper's BC1, 1/2 its BC2.
        normalized: see `Boundary`.
        alpha, alpha_start, alpha_step, alpha_max: see `BoundaryComboConfig`.

    Shape:
        logits, target (N, 1, H, W), distance (N, 1, H, W) or None; scalar.

    Reference:
        paper 004, equation (3). Its official code advances alpha inside the loss, in validation too and, on several
        GPUs, in copies that are thrown away.
    """

    config = BoundaryComboConfig

    def __init__(
        self,
        gamma: float = 0.5,
        w_pos: float = 0.5,
        normalized: bool = False,
        alpha: float | None = None,
        alpha_start: float = 0.01,
        alpha_step: float = 0.01,
        alpha_max: float = 0.99,
    ) -> None:
        super().__init__()
        self.boundary, self.combo = Boundary(normalized), Combo(gamma, w_pos)
        self.distance_kind = self.boundary.distance_kind
        self.fixed_alpha = alpha
        self.alpha_start, self.alpha_step, self.alpha_max = alpha_start, alpha_step, alpha_max
        self.set_epoch(0)

    def set_epoch(self, epoch: float) -> None:
        grown = min(self.alpha_start + self.alpha_step * math.floor(epoch), self.alpha_max)
        self.alpha = grown if self.fixed_alpha is None else self.fixed_alpha

    def value(self, logits: Tensor, crack: Tensor, distance: Tensor | None) -> Tensor:
        boundary = self.boundary.value(logits, crack, distance)
        return self.alpha * boundary + (1 - self.alpha) * self.combo.value(logits, crack, distance)


class GeneralizedBoundaryComboConfig(BoundaryComboConfig):
    """The boundary combo loss's options and `two_class` of the generalised Dice loss."""

    two_class: bool = True


class GeneralizedBoundaryCombo(BoundaryCombo):
    """The boundary combo loss with generalised Dice in the place of Dice.

    Args:
        gamma, w_pos: w_pos 19/20 is the paper's GBC1, 1/2 its GBC2; gamma 0 is its loss (B), boundary and generalised
            Dice, with the weights as meant (section 4.1 prints them exchanged).
        two_class: see `GeneralizedDice`.
        normalized, alpha, alpha_start, alpha_step, alpha_max: see `BoundaryCombo`.

    Reference:
        paper 004, equation (4).
    """

    config = GeneralizedBoundaryComboConfig

    def __init__(
        self,
        gamma: float = 0.5,
        w_pos: float = 0.5,
        normalized: bool = False,
        alpha: float | None = None,
        alpha_start: float = 0.01,
        alpha_step: float = 0.01,
        alpha_max: float = 0.99,
        two_class: bool = True,
    ) -> None:
        super().__init__(gamma, w_pos, normalized, alpha, alpha_start, alpha_step, alpha_max)
        self.combo.dice = GeneralizedDice(two_class)
