"""Hybrid focal and hybrid focal margin loss: an entropy and an overlap, both focal (paper 003)."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from torch import Tensor

from fissura.config import Config
from train.losses.focal import FocalMargin
from train.losses.loss import Loss
from train.losses.tversky import FocalTversky


class HybridFocalConfig(Config):
    """`gamma` of the asymmetric focal loss; `fn_weight`, `exponent` and `smooth` of the focal Tversky loss."""

    gamma: float = Field(2.0, ge=0)
    fn_weight: float = Field(0.7, ge=0, le=1)
    exponent: float = Field(0.75, gt=0)
    smooth: float = Field(1e-6, ge=0)


class HybridFocalMarginConfig(HybridFocalConfig):
    """The hybrid focal loss's options and the `margin` of crack pixels."""

    margin: float = Field(0.5, ge=0)


class HybridFocalMargin(Loss):
    """Asymmetric focal margin loss plus focal Tversky loss.

    Args:
        gamma, margin: see `FocalMargin`.
        fn_weight, smooth: see `Tversky`.
        exponent: gamma of `FocalTversky`.

    Shape:
        logits, target (N, 1, H, W); scalar.

    Reference:
        paper 003, equation (14). DeepCrack: the defaults; CRACK500: gamma 0, fn_weight 0.5, exponent 1; panels: margin
        1.5.
    """

    config: ClassVar[type[Config]] = HybridFocalMarginConfig

    def __init__(
        self,
        gamma: float = 2.0,
        margin: float = 0.5,
        fn_weight: float = 0.7,
        exponent: float = 0.75,
        smooth: float = 1e-6,
    ) -> None:
        super().__init__()
        self.pixels = FocalMargin(gamma, margin)
        self.regions = FocalTversky(fn_weight, exponent, smooth)

    def value(self, logits: Tensor, crack: Tensor, distance: Tensor | None) -> Tensor:
        return self.pixels.value(logits, crack, distance) + self.regions.value(logits, crack, distance)


class HybridFocal(HybridFocalMargin):
    """Asymmetric focal loss plus focal Tversky loss: the hybrid focal margin loss without a margin.

    Reference:
        paper 003, equation (15).
    """

    config = HybridFocalConfig

    def __init__(
        self, gamma: float = 2.0, fn_weight: float = 0.7, exponent: float = 0.75, smooth: float = 1e-6
    ) -> None:
        super().__init__(gamma, 0.0, fn_weight, exponent, smooth)
