"""Weighted cross-entropy whose crack weight adapts to the batch (paper 000)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fissura.config import Config
from train.losses.loss import Loss


class WceExpConfig(Config):
    """Exponential weight: `beta * base ** (gamma * (2 alpha - 1))`."""

    beta: float = 0.75
    gamma: float = 1.0
    base: float = 10.0


class WceExp(Loss):
    """Mean of ``q y softplus(-z) + (1-y) softplus(z)`` with ``q = beta * base^(gamma (2 alpha - 1))``.

    `alpha` is the share of background pixels in the batch, so a batch without cracks has the finite q = 10 beta,
    where the power and logarithmic weights diverge. `gamma` scales the exponent; the paper has none (1).

    Args:
        beta, gamma, base: see `WceExpConfig`.

    Shape:
        logits, target (N, 1, H, W); scalar.

    Reference:
        paper 000, equations (2) and (6).
    """

    config = WceExpConfig

    def __init__(self, beta: float = 0.75, gamma: float = 1.0, base: float = 10.0) -> None:
        super().__init__()
        self.beta, self.gamma, self.base = beta, gamma, base

    def forward(self, logits: Tensor, target: Tensor, distance: Tensor | None = None) -> Tensor:
        crack = target > 0.5
        alpha = 1 - crack.to(logits.dtype).mean()
        q = self.beta * torch.pow(torch.full_like(alpha, self.base), self.gamma * (2 * alpha - 1))
        return weighted_cross_entropy(logits, crack, q)


def weighted_cross_entropy(logits: Tensor, crack: Tensor, crack_weight: Tensor | float) -> Tensor:
    """Mean over all pixels; softplus keeps value and gradient finite at any logit (never log of a probability)."""
    per_pixel = torch.where(crack, crack_weight * F.softplus(-logits), F.softplus(logits))
    return per_pixel.mean()
