"""A large piece of pavement with known cracks, put together from real pictures of one data set.

On a quilt of crack-free windows lie crops of crack pictures, and crops of pictures that show no crack but stains or
joints. All are of like grain, and all stand in the light of one picture, spread over the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from crops import FEATHER_PX, Crop, place_beside, place_cracks
from ground import gain, lay, quilt
from pictures import Picture, alike

from fissura.errors import DatasetError
from fissura.imaging.images import Mask, RgbImage

GROUND_PICTURES = 8  # at most, of which a quilt is made
CRACK_PICTURES = 16  # at most, from which cracks come
DISTRACTORS = 2  # at most, crops without cracks in a mosaic


@dataclass(frozen=True)
class Mosaic:
    """What was made.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        truth: (H, W) bool.
        crops: what lies on the ground, cracks first.
    """

    image: RgbImage
    truth: Mask
    crops: list[Crop]


def make_mosaic(
    rng: np.random.Generator,
    pictures: Sequence[Picture],
    plain: Sequence[Picture],
    size: tuple[int, int],
    tile_px: int,
    tiles: int,
) -> Mosaic:
    """Make a mosaic in which `tiles` tiles hold cracks, or fewer where no more could be placed.

    Args:
        rng: decides everything.
        pictures: of one data set.
        plain: pictures without cracks, of any; those that are unlike the rest are not used.
        size: height and width, pixels.
        tile_px: side of a tile, pixels of the mosaic.
        tiles: how many are to hold cracks.

    Raises:
        DatasetError: too few pictures are alike.
    """
    surfaces = [found for picture in pictures if len(found := alike(pictures, picture)) >= GROUND_PICTURES]
    if not surfaces:
        raise DatasetError(
            f"no {GROUND_PICTURES} of {len(pictures)} pictures are alike",
            expected="a data set with several pictures of a surface",
            fix="choose another data set",
        )
    surface = surfaces[int(rng.integers(len(surfaces)))]
    base = surface[0]
    canvas = quilt(rng, surface[:GROUND_PICTURES], base.contrast, size)
    with_cracks = [picture for picture in surface[:CRACK_PICTURES] if picture.crack.any()]
    crops = place_cracks(rng, with_cracks, size, tile_px, tiles)
    near = alike(plain, base)
    chosen = rng.permutation(len(near))[:DISTRACTORS]
    crops += place_beside(rng, [near[index] for index in chosen], crops, size)
    truth = np.zeros(size, np.bool_)
    for crop in crops:
        lay(canvas, crop.texture() * gain(crop.picture.contrast, base.contrast), crop.place, FEATHER_PX)
        truth[crop.place] |= crop.crack()
    light = cv2.resize(base.light, (size[1], size[0]), interpolation=cv2.INTER_CUBIC)
    image = np.clip(np.rint(np.exp(light + canvas) - 1), 0, 255).astype(np.uint8)
    return Mosaic(image, truth, crops)
