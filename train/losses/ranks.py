"""Sums over the processes of a distributed run, so that a batch split over processes has one batch's statistics.

Each process of a distributed run (a rank) holds an equal share of the batch, and the trainer averages the ranks'
gradients. That average is right for means over pixels or images as they stand. Whatever counts over the whole batch
(the share of crack pixels, an overlap of the whole batch) is summed over the ranks here.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def rank_count() -> int:
    """Processes that share a batch; 1 outside a distributed run."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def sum_over_ranks(value: Tensor) -> Tensor:
    """Sum of `value` over all ranks, the same on each, with gradients to each rank's own `value`."""
    if rank_count() == 1:
        return value
    total: Tensor = _RankSum.apply(value)
    return total


class _RankSum(torch.autograd.Function):
    # Every rank computes its own copy of the same loss from the sum, so the gradient is the sum of the copies'
    # gradients; the trainer's average over the ranks divides it by their number again.
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.detach().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone()
        dist.all_reduce(total)
        return total
