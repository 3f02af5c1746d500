"""Real pictures of pavement, taken apart into slow changes of light and the texture on top.

All of it happens in log brightness, where light and reflectance add. The light is a Gaussian average over the pixels
that are no crack, so that a crack keeps its depth; what is left of the picture can be laid beside the texture of
another one without a step in brightness or colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from fissura.dataset import Dataset, find_dataset, load_dataset, read_sample
from fissura.imaging.images import Mask, RgbImage
from fissura.metrics.matching import grown

LIGHT_SIGMA_PX = 24.0  # slower changes than this are light, faster ones texture
LIGHT_LIMIT = 0.09  # standard deviation of a picture's log light; hard shadows and painted lines have more
CRACK_MARGIN_PX = 8  # around the labelled pixels: soft edges and loose labels
BANDS_PX = (0.0, 1.0, 2.0, 4.0, 8.0)  # sigmas between which the grain is measured
GRAIN_LIMIT = 0.45  # distance of two grains up to which two surfaces pass for one; by eye

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Picture:
    """One image of a data set, taken apart.

    Attributes:
        source: data set and ID, for example ``cfd/002``.
        light: (H, W, 3) slow part of the log brightness, RGB.
        texture: (H, W, 3) the rest; `light + texture` is the picture.
        crack: (H, W) its mask.
        contrast: standard deviation of the texture where there is no crack.
        grain: (4,) log contrast in octaves from fine to coarse: what tells surfaces apart.
    """

    source: str
    light: Floats
    texture: Floats
    crack: Mask
    contrast: float
    grain: Floats


def take_apart(source: str, image: RgbImage, crack: Mask) -> Picture:
    """Make a `Picture` of an (H, W, 3) uint8 image and its (H, W) bool mask."""
    logs = np.log(image.astype(np.float32) + 1)
    sound = ~grown(crack, CRACK_MARGIN_PX)
    weight = np.maximum(sound.astype(np.float32), 1e-3)  # a crack's own pixels serve where there are no others
    light = _slow(logs * weight[..., None]) / _slow(weight)[..., None]
    texture = logs - light
    where = sound if sound.any() else np.ones_like(sound)
    grain = _grain(cv2.cvtColor(texture, cv2.COLOR_RGB2GRAY), where)
    return Picture(source, light, texture, crack, float(texture[where].std()), grain)


def load_pictures(name: str) -> tuple[list[Picture], Dataset]:
    """The usable pictures of a data set's test list, in its order, and the list.

    Left out: pictures with hard changes of light (`LIGHT_LIMIT`). Of DeepCrack the list is `test_clean`, since its test
    list holds images that overlap training images; of CFD the images with unlabelled hairlines (`faint/`) are dropped.

    Args:
        name: path of the data set, or its name below `FISSURA_DATA`.

    Raises:
        DatasetError, ImageError: the set or one of its images cannot be read.
    """
    root = find_dataset(name)
    faint = tuple(sorted(path.stem for path in (root / "faint").glob("*.png")))
    dataset = load_dataset(root, "test_clean" if (root / "test_clean.txt").is_file() else "test", drop=faint)
    pictures = (take_apart(f"{dataset.name}/{sample.id}", *read_sample(sample)) for sample in dataset.samples)
    return [picture for picture in pictures if picture.light.mean(axis=2).std() <= LIGHT_LIMIT], dataset


def alike(pictures: Sequence[Picture], base: Picture) -> list[Picture]:
    """The pictures whose grain is like the base's, the most alike first."""
    distances = {id(picture): float(np.linalg.norm(picture.grain - base.grain)) for picture in pictures}
    near = (picture for picture in pictures if distances[id(picture)] <= GRAIN_LIMIT)
    return sorted(near, key=lambda picture: distances[id(picture)])


def sound_places(picture: Picture, side: int) -> NDArray[np.int64]:
    """(n, 2) top left corners (y, x) of all windows of `side` x `side` pixels that keep clear of cracks."""
    height, width = picture.crack.shape
    if min(height, width) < side:
        return np.empty((0, 2), np.int64)
    sums = cv2.integral(grown(picture.crack, CRACK_MARGIN_PX).astype(np.uint8))
    inside = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    return np.argwhere(inside == 0)


def _slow(values: Floats) -> Floats:
    height, width = values.shape[:2]
    # At a quarter of the size: nothing that the Gaussian leaves is finer, and it takes a tenth of the time.
    small = cv2.resize(values, (-(-width // 4), -(-height // 4)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), LIGHT_SIGMA_PX / 4, borderType=cv2.BORDER_REFLECT)
    smooth: Floats = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    return smooth


def _grain(grey: Floats, where: Mask) -> Floats:
    grey = np.where(where, grey, np.float32(0))  # a crack would spread into the coarse octaves around it
    smooth = [grey if sigma == 0 else cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in BANDS_PX]
    octaves = [fine - coarse for fine, coarse in pairwise(smooth)]
    return np.log([max(1e-4, float(octave[where].std())) for octave in octaves]).astype(np.float32)
