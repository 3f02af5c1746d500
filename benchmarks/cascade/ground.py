"""Crack-free texture of any size: a quilt of windows of real pictures.

Where two textures overlap, their weighted sum is divided by the root of the summed squares of the weights: an average
alone would be smoother than either, and the seam would show as a blurred band.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray
from pictures import Floats, Picture, sound_places

from fissura.errors import DatasetError

WINDOW_PX = 96
OVERLAP_PX = 24
CANDIDATES = 4  # windows drawn for one place; the least odd one is taken
BLOB_SIGMA_PX = 2.0  # of the structures that make a window odd
GAINS = (0.6, 1.6)  # how far a texture's contrast may be changed

Scalar = TypeVar("Scalar", bound=np.generic)
Flip = tuple[bool, bool]


def quilt(rng: np.random.Generator, pictures: Sequence[Picture], contrast: float, size: tuple[int, int]) -> Floats:
    """(H, W, 3) texture of crack-free windows drawn at random, brought to one contrast.

    Args:
        rng: draws the windows.
        pictures: of like surfaces.
        contrast: see `Picture`.
        size: H and W, pixels.

    Raises:
        DatasetError: no picture has a window that keeps clear of cracks.
    """
    places = [sound_places(picture, WINDOW_PX) for picture in pictures]
    chances = np.sqrt([len(found) for found in places])  # between one picture alone and all alike
    if not chances.any():
        raise DatasetError(
            f"none of {len(pictures)} pictures has {WINDOW_PX}x{WINDOW_PX} pixels without cracks",
            expected="some sound pavement beside the cracks",
            fix="choose another data set",
        )
    step = WINDOW_PX - OVERLAP_PX
    rows, columns = (-(-(side - OVERLAP_PX) // step) for side in size)
    canvas = np.zeros((rows * step + OVERLAP_PX, columns * step + OVERLAP_PX, 3), np.float32)
    squares = np.zeros(canvas.shape[:2], np.float32)
    weight = ramp((WINDOW_PX, WINDOW_PX), OVERLAP_PX)
    for top in range(0, rows * step, step):
        for left in range(0, columns * step, step):
            drawn = [_draw_window(rng, pictures, places, chances) for _ in range(CANDIDATES)]
            window = min(drawn, key=lambda window: _oddness(window, contrast))
            place = (slice(top, top + WINDOW_PX), slice(left, left + WINDOW_PX))
            canvas[place] += weight[..., None] * window * gain(float(window.std()), contrast)
            squares[place] += weight**2
    canvas /= np.sqrt(squares)[..., None]
    return canvas[: size[0], : size[1]]


def lay(canvas: Floats, texture: Floats, place: tuple[slice, slice], feather_px: int) -> None:
    """Lay a texture, (h, w, 3), onto a place of the canvas, in place; its border fades over `feather_px`."""
    above = ramp(texture.shape, feather_px)[..., None]
    below = 1 - above
    canvas[place] = (above * texture + below * canvas[place]) / np.sqrt(above**2 + below**2)


def ramp(shape: tuple[int, ...], reach_px: int) -> Floats:
    """(H, W) weights that rise from the border inwards over `reach_px` pixels up to 1."""
    inwards = [np.minimum(np.arange(side), np.arange(side)[::-1]) + 0.5 for side in shape[:2]]
    rows, columns = (np.minimum(distance / reach_px, 1) for distance in inwards)
    return np.outer(rows, columns).astype(np.float32)


def gain(found: float, wanted: float) -> float:
    """Factor from one contrast to another, within `GAINS`."""
    return float(np.clip(wanted / max(found, 1e-4), *GAINS))


def draw_flip(rng: np.random.Generator) -> Flip:
    """Whether to mirror vertically, horizontally."""
    vertically, horizontally = rng.integers(2, size=2)
    return bool(vertically), bool(horizontally)


def flipped(values: NDArray[Scalar], flip: Flip) -> NDArray[Scalar]:
    """A mirrored view of (H, W) or (H, W, C)."""
    return values[:: -1 if flip[0] else 1, :: -1 if flip[1] else 1]


def _draw_window(
    rng: np.random.Generator,
    pictures: Sequence[Picture],
    places: Sequence[NDArray[np.int64]],
    chances: NDArray[np.float64],
) -> Floats:
    index = int(rng.choice(len(pictures), p=chances / chances.sum()))
    y, x = places[index][int(rng.integers(len(places[index])))]
    return np.ascontiguousarray(flipped(pictures[index].texture[y : y + WINDOW_PX, x : x + WINDOW_PX], draw_flip(rng)))


def _oddness(window: Floats, contrast: float) -> float:
    """How far a window's contrast is from the wanted one, and how far its darkest or brightest structure stands out.

    Oil drips, joints and unlabelled cracks, repeated all over the ground, would look like nothing real.
    """
    own = max(float(window.std()), 1e-4)
    blurred = cv2.GaussianBlur(cv2.cvtColor(window, cv2.COLOR_RGB2GRAY), (0, 0), BLOB_SIGMA_PX)
    return abs(float(np.log(own / contrast))) + float(np.log(max(float(np.abs(blurred).max()), 1e-6) / own))
