"""Soft clDice: overlap of the skeletons, which rewards unbroken cracks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Tensor

from fissura.config import Config
from train.losses.dice import Dice
from train.losses.loss import Loss


class SoftClDiceConfig(Config):
    """`share` of clDice against Dice; `iterations` of thinning, at least half the width of the widest crack."""

    share: float = Field(0.5, ge=0, le=1)
    iterations: PositiveInt = 10
    smooth: float = Field(1.0, gt=0)


class SoftClDice(Loss):
    """``(1 - share) Dice + share (1 - clDice)``, mean over the images.

    clDice is the harmonic mean of two shares: of the predicted skeleton that lies in the mask, and of the mask's
    skeleton that is predicted. Skeletons are soft: what openings of the image, each thinner than the last, take away.

    Args:
        share, iterations, smooth: see `SoftClDiceConfig`; `smooth` also is that of Dice.

    Shape:
        logits, target (N, 1, H, W); scalar in [0, 1].

    Reference:
        Shit and others, clDice, algorithms 1 and 2; 10 thinnings as their code runs, whatever it is told.
    """

    config = SoftClDiceConfig

    def __init__(self, share: float = 0.5, iterations: int = 10, smooth: float = 1.0) -> None:
        super().__init__()
        self.share, self.iterations, self.smooth = share, iterations, smooth
        self.dice = Dice(smooth)

    def value(self, logits: Tensor, crack: Tensor, distance: Tensor | None) -> Tensor:
        p = torch.sigmoid(logits)
        thin, true_thin = soft_skeleton(p, self.iterations), soft_skeleton(crack, self.iterations)
        precision, recall = self._inside(thin, crack), self._inside(true_thin, p)
        centre = 1 - (2 * precision * recall / (precision + recall)).mean()
        return (1 - self.share) * self.dice.value(logits, crack, distance) + self.share * centre

    def _inside(self, skeleton: Tensor, region: Tensor) -> Tensor:
        inside = torch.linalg.vecdot(skeleton.flatten(1), region.flatten(1))
        return (inside + self.smooth) / (skeleton.flatten(1).sum(1) + self.smooth)


def soft_skeleton(image: Tensor, iterations: int) -> Tensor:
    """Differentiable skeleton of a map with values in [0, 1].

    Args:
        image: (N, 1, H, W).
        iterations: erosions; structures wider than twice as many pixels leave more than a line.
    """
    skeleton = torch.zeros_like(image)
    for _ in range(iterations + 1):
        thinner = _erode(image)
        residue = F.relu(image - F.max_pool2d(thinner, 3, 1, 1))  # what an opening takes away
        skeleton = skeleton + residue * (1 - skeleton)
        image = thinner
    return skeleton


def _erode(image: Tensor) -> Tensor:
    """Minimum over the cross of a pixel and its four neighbours."""
    negative = -image
    return -torch.maximum(F.max_pool2d(negative, (3, 1), 1, (1, 0)), F.max_pool2d(negative, (1, 3), 1, (0, 1)))
