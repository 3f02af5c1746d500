"""Boundary loss (paper 004)."""

from __future__ import annotations

import torch
from torch import Tensor

from fissura.config import Config
from train.losses.distance import distance_maps
from train.losses.loss import DistanceKind, Loss


class BoundaryConfig(Config):
    """`normalized` scales the distances of each image to 1."""

    normalized: bool = False


class Boundary(Loss):
    """Mean of the probability weighted by the signed distance to the crack; negative values are legal.

    Args:
        normalized: see `distance_map`; distances in pixels otherwise.

    Shape:
        logits, target (N, 1, H, W), distance (N, 1, H, W) or None; scalar.

    Reference:
        paper 004, equation (2). An image without crack, or all crack, has distance 0.
    """

    config = BoundaryConfig

    def __init__(self, normalized: bool = False) -> None:
        super().__init__()
        self.distance_kind: DistanceKind = "normalized" if normalized else "pixels"

    def value(self, logits: Tensor, crack: Tensor, distance: Tensor | None) -> Tensor:
        if distance is None:
            distance = distance_maps(crack, self.distance_kind)
        weighted = torch.linalg.vecdot(torch.sigmoid(logits).flatten(), distance.to(logits).flatten())
        return weighted / logits.numel()
