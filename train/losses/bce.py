"""Binary cross-entropy."""

from __future__ import annotations

from torch import Tensor

from fissura.config import Config
from train.losses.loss import Loss
from train.losses.wce import weighted_cross_entropy


class BceConfig(Config):
    """No options."""


class Bce(Loss):
    """Mean over all pixels of ``y softplus(-z) + (1-y) softplus(z)``.

    Shape:
        logits, target (N, 1, H, W); scalar.
    """

    config = BceConfig

    def forward(self, logits: Tensor, target: Tensor, distance: Tensor | None = None) -> Tensor:
        return weighted_cross_entropy(logits, target > 0.5, 1.0)
