"""Jaccard distance (paper 000)."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from fissura.config import Config
from train.losses.loss import Loss
from train.losses.overlap import LEAST_SMOOTH, overlap


class JaccardConfig(Config):
    """`smooth` is the lambda of the equation: keeps an empty batch finite."""

    smooth: float = Field(1.0, ge=0)


class Jaccard(Loss):
    """``1 - (sum y p + s) / (sum y + sum p - sum y p + s)`` over the whole batch.

    Args:
        smooth: s; see `JaccardConfig`.

    Shape:
        logits, target (N, 1, H, W); scalar in [0, 1].

    Reference:
        paper 000, equations (9) and (10), lambda = 1.
    """

    config = JaccardConfig

    def __init__(self, smooth: float = 1.0) -> None:
        super().__init__()
        self.smooth = max(smooth, LEAST_SMOOTH)

    def value(self, logits: Tensor, crack: Tensor, distance: Tensor | None) -> Tensor:
        found = overlap(logits, crack, "batch")
        union = found.cracks + found.false_alarms
        return ((union - found.hits) / (union + self.smooth)).squeeze()  # one minus the index, without cancellation
