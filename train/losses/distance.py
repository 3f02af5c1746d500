"""Signed distance to the crack's border, the map that the boundary loss weighs probabilities with."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from train.losses.loss import DistanceKind


def distance_map(mask: NDArray[np.bool_], kind: DistanceKind) -> NDArray[np.float32]:
    """Distance to the crack outside of it, negative inside; all 0 where there is no crack or nothing else.

    Args:
        mask: (H, W), True on crack.
        kind: "pixels" is the Euclidean distance to the nearest crack pixel and, inside, minus the distance to the
            nearest background pixel plus 1, so that the crack's outermost pixels have 0. "normalized" divides each
            side by its largest distance in the image and keeps 0 on the outermost pixels, so that a crack of one or
            two pixels' width is 0 throughout.

    Returns:
        (H, W); "normalized" lies in [-1, 1].

    Reference:
        Kervadec and others, boundary loss, of paper 004, equation (2); "normalized" is the latter's official code.

    Example:
        >>> distance_map(np.array([[False, False, True]]), "pixels")
        array([[2., 1., 0.]], dtype=float32)
    """
    if mask.all() or not mask.any():
        return np.zeros(mask.shape, np.float32)
    outside, inside = _to_nearest_zero(~mask), _to_nearest_zero(mask)
    if kind == "pixels":
        return outside - np.maximum(inside - 1, 0)
    within = np.where(inside > 1, inside / inside.max(), np.float32(0))
    return outside / outside.max() - within


def distance_maps(crack: Tensor, kind: DistanceKind) -> Tensor:
    """`distance_map` of each mask of a batch.

    Args:
        crack: (N, 1, H, W), above 0.5 on crack.

    Returns:
        (N, 1, H, W), of the type and on the device of `crack`.
    """
    masks = (crack.detach()[:, 0] > 0.5).cpu().numpy()
    maps = np.stack([distance_map(mask, kind) for mask in masks])
    return torch.from_numpy(maps)[:, None].to(crack)


def _to_nearest_zero(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    distance = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # Its last bit depends on where the array lies in memory, and a resumed run must equal an unbroken one. Squares of
    # distances between pixels are whole numbers.
    return np.sqrt(np.rint(distance * distance))
