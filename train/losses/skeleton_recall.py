"""Skeleton recall: the share of the crack's centre line that is found, beside Dice and cross-entropy."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from skimage.morphology import skeletonize
from torch import Tensor

from fissura.config import Config
from train.losses.cross_entropy import cross_entropy
from train.losses.dice import Dice
from train.losses.loss import Loss

CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


class SkeletonRecallConfig(Config):
    """`weight` of the recall term; `smooth` of Dice and of the recall."""

    weight: float = Field(1.0, ge=0)
    smooth: float = Field(1.0, gt=0)


class SkeletonRecall(Loss):
    """``Dice + BCE + weight (1 - recall)``, where recall is of the mask's skeleton, dilated to a tube in the mask.

    Only the mask is thinned, once and without gradient, which makes it much cheaper than clDice.

    Args:
        weight, smooth: see `SkeletonRecallConfig`.

    Shape:
        logits, target (N, 1, H, W); scalar.

    Reference:
        Kirchhoff and others, skeleton recall loss; they leave out the constants 1 of Dice and recall.
    """

    config = SkeletonRecallConfig

    def __init__(self, weight: float = 1.0, smooth: float = 1.0) -> None:
        super().__init__()
        self.weight, self.smooth = weight, smooth
        self.dice = Dice(smooth)

    def value(self, logits: Tensor, crack: Tensor, distance: Tensor | None) -> Tensor:
        masks = (crack[:, 0] > 0.5).cpu().numpy()
        tubes = torch.from_numpy(np.stack([skeleton_tube(mask) for mask in masks])).to(crack).flatten(1)
        found = torch.linalg.vecdot(torch.sigmoid(logits).flatten(1), tubes)
        recall = ((found + self.smooth) / (tubes.sum(1) + self.smooth)).mean()
        return self.dice.value(logits, crack, distance) + cross_entropy(logits, crack) + self.weight * (1 - recall)


def skeleton_tube(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """The skeleton of a mask (H, W), dilated twice by the 3 x 3 cross but not beyond the mask; 1 inside."""
    return cv2.dilate(skeletonize(mask).astype(np.uint8), CROSS, iterations=2) * mask
