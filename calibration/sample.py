"""Which images an INT8 graph learns its ranges from: few, real, and as different from each other as the data allows.

An image is described by its share of crack pixels, its brightness and its texture. `k_center` takes the image that is
farthest from all that were taken before; `stratified` draws one of each cell of a grid over the three.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from fissura.dataset import Dataset, Sample, read_sample
from fissura.imaging.images import Mask, RgbImage
from fissura.progress import progress

Method = Literal["k_center", "stratified"]

STRATA = (4, 3, 3)  # cells along crack share, brightness and texture


def choose_images(dataset: Dataset, count: int, method: Method = "k_center", seed: int = 0) -> tuple[Sample, ...]:
    """Images that cover a list, in the list's order.

    Args:
        dataset: images and masks.
        count: how many, at most.
        method: see the module.
        seed: of the first image (`k_center`) or of the draws (`stratified`).

    Raises:
        ImageError: an image or a mask cannot be read.
    """
    samples = dataset.samples
    if len(samples) <= count:
        return samples
    looked_at = progress(samples, "choosing the images for the ranges", len(samples))
    features = np.array([describe(*read_sample(sample)) for sample in looked_at])
    choose = k_center if method == "k_center" else stratified
    return tuple(samples[index] for index in sorted(choose(features, count, seed)))


def describe(image: RgbImage, mask: Mask) -> tuple[float, float, float]:
    """Share of crack pixels (square root, since small shares differ most), mean brightness, and texture.

    Args:
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) bool.

    Returns:
        All on the scale [0, 1]; texture is the mean absolute Laplacian of the grey image, 4 at most, by 4.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    texture = float(np.abs(cv2.Laplacian(grey, cv2.CV_32F)).mean()) / 4
    return float(np.sqrt(mask.mean())), float(grey.mean()), texture


def k_center(features: NDArray[np.float64], count: int, seed: int) -> list[int]:
    """Greedy k-center: each point taken is the farthest from those before it.

    The largest distance of any point to the taken ones is at most twice the smallest possible.

    Args:
        features: (n, d), scaled here to unit variance.
        count: points to take, at most n.
        seed: draws the first point.

    Reference:
        Gonzalez 1985, "Clustering to minimize the maximum intercluster distance".
    """
    points = _standardised(features)
    taken = [int(np.random.default_rng(seed).integers(len(points)))]
    distance = np.linalg.norm(points - points[taken[0]], axis=1)
    while len(taken) < count:
        distance[taken] = -1.0  # equal points lie at distance 0: none is taken twice
        taken.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(points - points[taken[-1]], axis=1))
    return taken


def stratified(features: NDArray[np.float64], count: int, seed: int) -> list[int]:
    """Draw from the cells of a grid in turn, until there are enough: rare kinds of images lie in cells of their own.

    Args:
        features: (n, 3).
        count: points to take, at most n.
        seed: of the order of the cells and of the draws in each.
    """
    low, spread = features.min(axis=0), np.ptp(features, axis=0)
    places = (features - low) / np.where(spread > 0, spread, 1)
    cells = np.minimum((places * STRATA).astype(int), np.array(STRATA) - 1)
    generator = np.random.default_rng(seed)
    members: dict[tuple[int, ...], list[int]] = {}
    for index in generator.permutation(len(features)):
        members.setdefault(tuple(cells[index]), []).append(int(index))
    return _in_turn(list(members.values()), count)


def _in_turn(groups: Sequence[list[int]], count: int) -> list[int]:
    taken: list[int] = []
    while len(taken) < count:
        for group in groups:
            if group and len(taken) < count:
                taken.append(group.pop())
    return taken


def _standardised(features: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = features.std(axis=0)
    return (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1)
