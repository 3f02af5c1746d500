"""Sums from which the losses of overlap (Jaccard, Dice, Tversky, F1) are made."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from train.losses.ranks import rank_count, sum_over_ranks

Reduction = Literal["image", "batch"]

# Least smoothing of a divisor: 0 divided by 0 is no number where neither mask nor prediction holds a crack.
LEAST_SMOOTH = 1e-12


class Overlap(NamedTuple):
    """Soft counts of pixels, (N,) by image or (1,) of the whole batch.

    Attributes:
        hits: sum of y p, crack found.
        predicted: sum of p, or of its square.
        cracks: sum of y.
        pixels: all pixels that were counted.
    """

    hits: Tensor
    predicted: Tensor
    cracks: Tensor
    pixels: int

    @property
    def misses(self) -> Tensor:
        """Sum of y (1-p): false negatives."""
        return self.cracks - self.hits

    @property
    def false_alarms(self) -> Tensor:
        """Sum of (1-y) p: false positives."""
        return self.predicted - self.hits

    @property
    def rest(self) -> Tensor:
        """Sum of (1-y) (1-p): background found."""
        return self.pixels - self.cracks - self.false_alarms


def overlap(logits: Tensor, crack: Tensor, reduction: Reduction, power: int = 1) -> Overlap:
    """Count the overlap of prediction and mask.

    Args:
        logits, crack: (N, 1, H, W); crack is 1 on crack and 0 elsewhere, of the logits' type.
        reduction: count each image by itself, or the whole batch as one image.
        power: 2 sums the squares of p in `predicted`.
    """
    rows = len(logits) if reduction == "image" else 1
    z, y = logits.reshape(rows, -1), crack.reshape(rows, -1)
    (hits, predicted), cracks = _Sums.apply(z, y, power), y.sum(1)
    if reduction == "image" or rank_count() == 1:
        return Overlap(hits, predicted, cracks, y.shape[1])
    hits, predicted, cracks = sum_over_ranks(torch.stack([hits, predicted, cracks]))
    return Overlap(hits, predicted, cracks, y.shape[1] * rank_count())


class _Sums(torch.autograd.Function):
    """Sums of y p and of p^power along rows, with few maps in memory: fresh memory costs more than arithmetic here."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, crack: Tensor, power: int) -> tuple[Tensor, Tensor]:
        p = torch.sigmoid(logits)
        ctx.save_for_backward(p, crack)
        ctx.power = power
        return torch.linalg.vecdot(p, crack), torch.linalg.vecdot(p, p) if power == 2 else p.sum(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        p, crack = ctx.saved_tensors
        by_hit, by_predicted = (gradient[:, None] for gradient in gradients)
        slope = crack * by_hit
        slope = slope.addcmul_(p, 2 * by_predicted) if ctx.power == 2 else slope.add_(by_predicted)
        slope = torch.ops.aten.sigmoid_backward.grad_input(slope, p, grad_input=slope)
        return slope, None, None
