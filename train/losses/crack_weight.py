"""The crack weight q of the adaptive cross-entropies: what they share, and its annealing."""

from __future__ import annotations

import torch
from pydantic import Field, model_validator
from torch import Tensor

from fissura.config import Config
from train.losses.cross_entropy import cross_entropy
from train.losses.loss import Loss
from train.losses.ranks import rank_count, sum_over_ranks


class AdaptiveCrossEntropy(Loss):
    """Mean of ``q y softplus(-z) + (1-y) softplus(z)``, where q follows from the batch's crack and background pixels.

    Reference:
        paper 000, equation (2), with a mean over the pixels: a sum would drown the Jaccard term of equation (8).
    """

    def crack_weight(self, cracks: Tensor, background: Tensor) -> Tensor:
        """q of a batch with so many crack and background pixels (scalars); finite for all but ``cracks == 0``."""
        raise NotImplementedError

    def value(self, logits: Tensor, crack: Tensor, distance: Tensor | None) -> Tensor:
        cracks = sum_over_ranks(crack.sum())
        q = self.crack_weight(cracks, crack.numel() * rank_count() - cracks)
        # Without a crack pixel q may be infinite, and 0 times infinity is no number: there it weighs nothing.
        return cross_entropy(logits, crack, torch.where(cracks > 0, q, 0.0))


class BetaConfig(Config):
    """`beta` scales the crack weight; with `beta_end` it goes there in a straight line over `anneal_epochs`."""

    beta: float = Field(0.75, gt=0)
    beta_end: float | None = Field(None, gt=0)
    anneal_epochs: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _annealing_is_whole(self) -> BetaConfig:
        if (self.beta_end is None) != (self.anneal_epochs is None):
            raise ValueError("`beta_end` and `anneal_epochs` go together: give both or neither")
        return self


class BetaCrossEntropy(AdaptiveCrossEntropy):
    """An adaptive cross-entropy whose crack weight is scaled by `beta`, which may change while training.

    Args:
        beta, beta_end, anneal_epochs: see `BetaConfig`.
    """

    def __init__(self, beta: float, beta_end: float | None = None, anneal_epochs: float | None = None) -> None:
        super().__init__()
        self.beta = self.beta_start = beta
        self.beta_end, self.anneal_epochs = beta_end, anneal_epochs

    def set_epoch(self, epoch: float) -> None:
        if self.beta_end is not None and self.anneal_epochs is not None:
            share = min(epoch / self.anneal_epochs, 1.0)
            self.beta = (1 - share) * self.beta_start + share * self.beta_end
