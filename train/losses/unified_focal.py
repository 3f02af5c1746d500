"""Unified focal loss (Yeung and others, compared with in paper 003)."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from fissura.config import Config
from train.losses.cross_entropy import Focus, cross_entropy
from train.losses.loss import Loss
from train.losses.overlap import overlap
from train.losses.tversky import LEAST_BASE

SMOOTH = 1e-7


class UnifiedFocalConfig(Config):
    """`weight` is the share of the overlap term, `delta` that of crack, `gamma` the focus; `symmetric` on both."""

    symmetric: bool = False
    weight: float = Field(0.5, ge=0, le=1)
    delta: float = Field(0.6, ge=0, le=1)
    gamma: float = Field(0.5, ge=0, lt=1)


class UnifiedFocal(Loss):
    """``weight * focal Tversky + (1 - weight) * focal cross-entropy``, with one delta and one gamma for both.

    The cross-entropy is the mean of ``delta y CE + (1 - delta) (1-y) p^gamma CE``, the Tversky term the mean over
    images and both classes of ``1 - TI_background`` and ``(1 - TI_crack)^(1 - gamma)``. The symmetric loss raises the
    background's term to the power 1 - gamma too, and fades both classes' cross-entropy by their misfit to 1 - gamma.

    Args:
        symmetric, weight, delta, gamma: see `UnifiedFocalConfig`.

    Shape:
        logits, target (N, 1, H, W); scalar.

    Reference:
        paper 003, equations (8) to (10), where (8) prints "1 - r" for 1 - gamma; smoothing 1e-7.
    """

    config = UnifiedFocalConfig

    def __init__(self, symmetric: bool = False, weight: float = 0.5, delta: float = 0.6, gamma: float = 0.5) -> None:
        super().__init__()
        self.symmetric, self.weight, self.delta, self.gamma = symmetric, weight, delta, gamma
        self.focus = Focus(1 - gamma, 1 - gamma) if symmetric else Focus(0.0, gamma)

    def value(self, logits: Tensor, crack: Tensor, distance: Tensor | None) -> Tensor:
        found, delta = overlap(logits, crack, "image"), self.delta
        missed = delta * found.misses + (1 - delta) * found.false_alarms
        lost = delta * found.false_alarms + (1 - delta) * found.misses  # the background's own misses and alarms
        wrong = torch.stack([missed, lost])
        wrong = wrong / (torch.stack([found.hits, found.rest]) + wrong + SMOOTH)
        wrong_crack, wrong_background = wrong
        focal = wrong_crack.clamp_min(LEAST_BASE) ** (1 - self.gamma)
        other = wrong_background.clamp_min(LEAST_BASE) ** (1 - self.gamma) if self.symmetric else wrong_background
        entropy = cross_entropy(logits, crack, delta, 1 - delta, self.focus)
        return self.weight * (focal + other).mean() / 2 + (1 - self.weight) * entropy
