"""Binary cross-entropy."""

from __future__ import annotations

from torch import Tensor

from fissura.config import Config
from train.losses.cross_entropy import cross_entropy
from train.losses.loss import Loss


class BceConfig(Config):
    """No options."""


class Bce(Loss):
    """Mean over all pixels of ``y softplus(-z) + (1-y) softplus(z)``.

    Shape:
        logits, target (N, 1, H, W); scalar.
    """

    config = BceConfig

    def value(self, logits: Tensor, crack: Tensor, distance: Tensor | None) -> Tensor:
        return cross_entropy(logits, crack)
