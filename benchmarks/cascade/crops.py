"""Where the parts of crack pictures lie in a mosaic, so that a stated number of tiles holds cracks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ground import Flip, draw_flip, flipped, ramp
from numpy.typing import NDArray
from pictures import Floats, Picture

from fissura.imaging.images import Mask

FEATHER_PX = 16  # over which a crop's border fades
SHRINKS = (1.0, 0.7, 0.5, 0.35, 0.25)  # share of a picture's sides that a crop takes; tried in this order
TRIES = 400  # at each size
LEAST_CRACK_PX = 60  # in a crop: fewer are a stub


@dataclass(frozen=True)
class Crop:
    """A part of a picture and where it lies.

    Attributes:
        picture: where it comes from.
        part: rows and columns of the picture.
        flip: whether it is mirrored vertically, horizontally.
        place: rows and columns of the mosaic.
    """

    picture: Picture
    part: tuple[slice, slice]
    flip: Flip
    place: tuple[slice, slice]

    def texture(self) -> Floats:
        """(h, w, 3)."""
        return flipped(self.picture.texture[self.part], self.flip)

    def crack(self) -> Mask:
        """(h, w), where the crop is laid on with at least half its strength."""
        crack = flipped(self.picture.crack[self.part], self.flip)
        return crack & (ramp(crack.shape, FEATHER_PX) >= 0.5)


def crack_tiles(truth: Mask, tile_px: int) -> NDArray[np.bool_]:
    """Which tiles of a fixed grid hold crack pixels: one pixel is enough.

    Args:
        truth: (H, W).
        tile_px: side of a tile; those in the last row and column may be smaller.

    Returns:
        (ceil(H / tile_px), ceil(W / tile_px)) bool.

    Example:
        >>> crack_tiles(np.array([[0, 0, 1], [0, 0, 0], [0, 1, 0]], bool), 2)
        array([[False,  True],
               [ True, False]])
    """
    rows, columns = np.arange(0, truth.shape[0], tile_px), np.arange(0, truth.shape[1], tile_px)
    return np.logical_or.reduceat(np.logical_or.reduceat(truth, rows, axis=0), columns, axis=1)


def place_cracks(
    rng: np.random.Generator, pictures: Sequence[Picture], size: tuple[int, int], tile_px: int, tiles: int
) -> list[Crop]:
    """Crops with cracks, apart from each other, that bring cracks to exactly `tiles` tiles where that succeeds.

    Large crops come first; smaller ones follow when no large one fits into what is left. No picture is used a second
    time before all have been tried.

    Args:
        rng: decides everything.
        pictures: with cracks.
        size: height and width of the mosaic, pixels.
        tile_px: side of a tile, pixels of the mosaic.
        tiles: how many are to hold cracks.
    """
    across = -(-size[1] // tile_px)
    cracked: set[int] = set()
    taken = np.zeros(size, np.bool_)
    crops: list[Crop] = []
    order: list[int] = []
    for shrink in SHRINKS:
        for _ in range(TRIES):
            if len(cracked) == tiles:
                return crops
            order = order or rng.permutation(len(pictures)).tolist()
            crop = draw_crop(rng, pictures[order.pop()], shrink, size)
            if taken[crop.place].any():
                continue
            ys, xs = np.nonzero(crop.crack())
            if len(ys) < LEAST_CRACK_PX:
                continue
            rows, columns = crop.place
            reached = set(((ys + rows.start) // tile_px * across + (xs + columns.start) // tile_px).tolist())
            if len(cracked | reached) <= tiles:
                cracked |= reached
                taken[crop.place] = True
                crops.append(crop)
    return crops


def place_beside(
    rng: np.random.Generator, pictures: Sequence[Picture], crops: Sequence[Crop], size: tuple[int, int]
) -> list[Crop]:
    """One crop of each picture, apart from all others; none of a picture that finds no room."""
    taken = np.zeros(size, np.bool_)
    for crop in crops:
        taken[crop.place] = True
    found = []
    for picture in pictures:
        drawn = (draw_crop(rng, picture, shrink, size) for shrink in SHRINKS for _ in range(TRIES // 20))
        free = next((crop for crop in drawn if not taken[crop.place].any()), None)
        if free is not None:
            taken[free.place] = True
            found.append(free)
    return found


def draw_crop(rng: np.random.Generator, picture: Picture, shrink: float, size: tuple[int, int]) -> Crop:
    """A crop of `shrink` times the picture's sides, around a crack of it if it has any, to anywhere in a mosaic."""
    sides = picture.crack.shape
    cracks = np.flatnonzero(picture.crack)
    centre = np.unravel_index(rng.choice(cracks), sides) if len(cracks) else rng.integers(sides)
    part, place = [], []
    for side, middle, room in zip(sides, centre, size, strict=True):
        length = min(room, round(shrink * side))
        start = min(max(0, int(middle) - length // 2), side - length)
        at = int(rng.integers(room - length + 1))
        part.append(slice(start, start + length))
        place.append(slice(at, at + length))
    return Crop(picture, (part[0], part[1]), draw_flip(rng), (place[0], place[1]))
