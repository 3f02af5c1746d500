"""Jaccard distance (paper 000)."""

from __future__ import annotations

import torch
from torch import Tensor

from fissura.config import Config
from train.losses.loss import Loss


class JaccardConfig(Config):
    """`smooth` is the lambda of the equation: keeps an empty batch finite."""

    smooth: float = 1.0


class Jaccard(Loss):
    """``1 - (sum y p + s) / (sum y + sum p - sum y p + s)`` over the whole batch.

    Shape:
        logits, target (N, 1, H, W); scalar in [0, 1).

    Reference:
        paper 000, equation (7), lambda = 1.
    """

    config = JaccardConfig

    def __init__(self, smooth: float = 1.0) -> None:
        super().__init__()
        self.smooth = smooth

    def forward(self, logits: Tensor, target: Tensor, distance: Tensor | None = None) -> Tensor:
        crack = (target > 0.5).to(logits.dtype)
        p = torch.sigmoid(logits)
        intersection = (crack * p).sum()
        union = crack.sum() + p.sum() - intersection
        return 1 - (intersection + self.smooth) / (union + self.smooth)
