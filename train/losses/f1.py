"""Losses made from the F1 score: its logarithm, and cross-entropy with its pseudo-gradient (paper 002)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from fissura.config import Config
from train.losses.cross_entropy import cross_entropy
from train.losses.loss import Loss
from train.losses.overlap import Overlap, overlap
from train.losses.ranks import rank_count

# Least sum of probabilities, for its logarithm and its inverse.
LEAST = 1e-7


class F1LogConfig(Config):
    """No options."""


class F1Log(Loss):
    """``log(N1 + sum p) - log(2 sum over crack of p)`` over the whole batch; 0 for a batch without cracks.

    Shape:
        logits, target (N, 1, H, W); scalar, at least 0.

    Reference:
        paper 002, equations (6) to (8). The sum over crack is at least 1e-7.
    """

    config = F1LogConfig

    def value(self, logits: Tensor, crack: Tensor, distance: Tensor | None) -> Tensor:
        found = overlap(logits, crack, "batch")
        divisor = (found.cracks + found.predicted).clamp_min(LEAST)
        return (torch.log(divisor / (2 * found.hits.clamp_min(LEAST))) * (found.cracks > 0)).squeeze()


def f1_weights(found: Overlap) -> tuple[Tensor, Tensor]:
    """Weights of crack and background pixels: the slopes of -log F1 by p, without signs (paper 002, equation 7).

    Args:
        found: sums over the whole batch. A batch without cracks gets the crack weight 0.
    """
    background = 1 / (found.cracks + found.predicted).clamp_min(LEAST)
    crack = (1 / found.hits.clamp_min(LEAST) - background) * (found.cracks > 0)
    return crack.squeeze(), background.squeeze()


class PseudoF1Config(Config):
    """`reduction` "mean" divides the sum by the number of pixels."""

    reduction: Literal["sum", "mean"] = "sum"


class PseudoF1(Loss):
    """Binary cross-entropy whose classes are weighted by the slopes of -log F1, held constant.

    Its gradient is the paper's pseudo-gradient; no function has it as its own, so the value is a surrogate.

    Args:
        reduction: "sum"; "mean" is the paper's footnote 1, whose gradients are so small that Adam's epsilon tells.

    Shape:
        logits, target (N, 1, H, W); scalar.

    Reference:
        paper 002, equation (11).
    """

    config = PseudoF1Config

    def __init__(self, reduction: Literal["sum", "mean"] = "sum") -> None:
        super().__init__()
        self.reduction = reduction

    def value(self, logits: Tensor, crack: Tensor, distance: Tensor | None) -> Tensor:
        with torch.no_grad():
            crack_weight, background_weight = f1_weights(overlap(logits, crack, "batch"))
        mean = cross_entropy(logits, crack, crack_weight, background_weight)
        return mean * (crack.numel() * rank_count()) if self.reduction == "sum" else mean
