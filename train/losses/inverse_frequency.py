"""Cross-entropy weighted by the inverse frequency of the classes (paper 002)."""

from __future__ import annotations

import torch
from torch import Tensor

from fissura.config import Config
from train.losses.cross_entropy import cross_entropy
from train.losses.loss import Loss
from train.losses.ranks import rank_count, sum_over_ranks


class InverseFrequencyConfig(Config):
    """No options."""


class InverseFrequency(Loss):
    """Mean of ``softplus(-z)`` over the crack pixels plus mean of ``softplus(z)`` over the background pixels.

    A class that the batch lacks adds nothing.

    Shape:
        logits, target (N, 1, H, W); scalar.

    Reference:
        paper 002, section 4.4, weights 1 / N_y.
    """

    config = InverseFrequencyConfig

    def value(self, logits: Tensor, crack: Tensor, distance: Tensor | None) -> Tensor:
        pixels = crack.numel() * rank_count()
        cracks = sum_over_ranks(crack.sum())
        counts = torch.stack([cracks, pixels - cracks])
        crack_weight, background_weight = pixels / counts.clamp_min(1)  # times the mean over all pixels
        return cross_entropy(logits, crack, crack_weight, background_weight)
