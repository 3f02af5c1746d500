"""Weighted cross-entropy with one share for crack and the rest for background (paper 004)."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from fissura.config import Config
from train.losses.cross_entropy import cross_entropy
from train.losses.loss import Loss


class WcePositiveConfig(Config):
    """`w` is the share of the crack term, 1 - w that of the background term."""

    w: float = Field(0.95, ge=0, le=1)


class WcePositive(Loss):
    """Mean of ``w y softplus(-z) + (1-w) (1-y) softplus(z)``.

    Args:
        w: see `WcePositiveConfig`; 0.5 is half of binary cross-entropy.

    Shape:
        logits, target (N, 1, H, W); scalar.

    Reference:
        paper 004, w_pos of equations (3) and (4): 19/20 in the text, 20/21 in the official code.
    """

    config = WcePositiveConfig

    def __init__(self, w: float = 0.95) -> None:
        super().__init__()
        self.w = w

    def value(self, logits: Tensor, crack: Tensor, distance: Tensor | None) -> Tensor:
        return cross_entropy(logits, crack, self.w, 1 - self.w)
