"""Focal and large-margin cross-entropies, and both in one (papers 002 and 003)."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from fissura.config import Config
from train.losses.cross_entropy import Focus, cross_entropy
from train.losses.loss import Loss


class FocalConfig(Config):
    """`gamma` fades easy pixels; `alpha` weighs crack and 1 - alpha background, None weighs both by 1."""

    gamma: float = Field(2.0, ge=0)
    alpha: float | None = Field(None, ge=0, le=1)


class Focal(Loss):
    """Mean of ``alpha_y (1 - p_t)^gamma CE``, where p_t is the probability given to the true class.

    Args:
        gamma, alpha: see `FocalConfig`.

    Shape:
        logits, target (N, 1, H, W); scalar.

    Reference:
        paper 002, section 4.4: gamma 2, alpha 0.25 in the text (0.2 in the table) and 0.5.
    """

    config = FocalConfig

    def __init__(self, gamma: float = 2.0, alpha: float | None = None) -> None:
        super().__init__()
        self.weights = (1.0, 1.0) if alpha is None else (alpha, 1 - alpha)
        self.focus = Focus(crack_gamma=gamma, background_gamma=gamma)

    def value(self, logits: Tensor, crack: Tensor, distance: Tensor | None) -> Tensor:
        return cross_entropy(logits, crack, *self.weights, self.focus)


class AsymmetricFocalConfig(Config):
    """`gamma` fades easy background pixels."""

    gamma: float = Field(2.0, ge=0)


class AsymmetricFocal(Loss):
    """Mean of ``y softplus(-z) + (1-y) p^gamma softplus(z)``: crack pixels keep their full cost.

    Args:
        gamma: see `AsymmetricFocalConfig`; 0 is binary cross-entropy.

    Shape:
        logits, target (N, 1, H, W); scalar.

    Reference:
        paper 003, equation (2).
    """

    config = AsymmetricFocalConfig

    def __init__(self, gamma: float = 2.0) -> None:
        super().__init__()
        self.focus = Focus(background_gamma=gamma)

    def value(self, logits: Tensor, crack: Tensor, distance: Tensor | None) -> Tensor:
        return cross_entropy(logits, crack, focus=self.focus)


class LargeMarginConfig(Config):
    """`margin` is the logit by which crack pixels must lie beyond the border."""

    margin: float = Field(0.5, ge=0)


class LargeMargin(Loss):
    """Mean of ``y softplus(-(z - m)) + (1-y) softplus(z)``.

    Args:
        margin: m; 0 is binary cross-entropy.

    Shape:
        logits, target (N, 1, H, W); scalar.

    Reference:
        paper 003, equation (3): sigma(z - m) stands for the crack's probability, on crack pixels only.
    """

    config = LargeMarginConfig

    def __init__(self, margin: float = 0.5) -> None:
        super().__init__()
        self.focus = Focus(crack_margin=margin)

    def value(self, logits: Tensor, crack: Tensor, distance: Tensor | None) -> Tensor:
        return cross_entropy(logits, crack, focus=self.focus)


class FocalMarginConfig(Config):
    """`symmetric` fades crack pixels too; `background_margin` and `background_weight` are departures from (11)."""

    gamma: float = Field(2.0, ge=0)
    margin: float = Field(0.5, ge=0)
    symmetric: bool = False
    background_margin: float = Field(0.0, ge=0)
    background_weight: float = Field(1.0, ge=0)


class FocalMargin(Loss):
    """Mean of ``y (1-p)^g softplus(-(z - m)) + (1-y) p^gamma softplus(z)``, g = 0 or, where symmetric, gamma.

    Args:
        gamma: fades easy pixels; 0 is the large margin loss.
        margin: m, on crack pixels only; 0 is the asymmetric focal loss. The fading uses the unshifted p.
        symmetric: fades crack pixels as well as background pixels.
        background_margin: the margin of background pixels, which the large margin softmax has and the paper has not.
        background_weight: 0 leaves the background term out, as equation (12) is printed.

    Shape:
        logits, target (N, 1, H, W); scalar.

    Reference:
        paper 003, equations (11) and, symmetric, (12), which lacks its background term.
    """

    config = FocalMarginConfig

    def __init__(
        self,
        gamma: float = 2.0,
        margin: float = 0.5,
        symmetric: bool = False,
        background_margin: float = 0.0,
        background_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.focus = Focus(gamma if symmetric else 0.0, gamma, margin, background_margin)
        self.background_weight = background_weight

    def value(self, logits: Tensor, crack: Tensor, distance: Tensor | None) -> Tensor:
        return cross_entropy(logits, crack, 1.0, self.background_weight, self.focus)
