"""Which part of which image a training sample shows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt, model_validator

from fissura.config import Config
from fissura.errors import DatasetError
from fissura.imaging.images import Mask
from train.data.geometry import Window


class SamplingConfig(Config):
    """How crops are placed; needs `data.crop`.

    Without any of these, crops lie anywhere, each image once a pass.
    """

    crack_share: float = Field(
        0.0, ge=0, le=1, description="share of the crops laid around a crack pixel, where the image has one"
    )
    positive_ratio: tuple[PositiveInt, PositiveInt] | None = Field(
        None, description="crops whose middle pixel is crack to crops whose middle is not, in whole numbers, as [1, 3]"
    )
    window_scale: tuple[float, float] = Field(
        (1.0, 1.0), description="range of the window's sides, in crop sides; the window is brought to the crop's size"
    )

    @model_validator(mode="after")
    def _one_rule(self) -> SamplingConfig:
        if self.positive_ratio is not None and self.crack_share:
            raise ValueError("`crack_share` and `positive_ratio` are two rules for the same thing: give one")
        low, high = self.window_scale
        if not 0 < low <= high <= 4:
            raise ValueError(f"`window_scale` is {[low, high]}: expected two numbers above 0, the smaller one first")
        return self

    @property
    def needs_crop(self) -> bool:
        """Whether anything differs from the default."""
        return bool(self.crack_share) or self.positive_ratio is not None or self.window_scale != (1.0, 1.0)


class PatchCentres:
    """Middle pixels of patches, crack and other ones in an exact ratio.

    Of each `sum(ratio)` positions in a row the first `ratio[0]` are crack. Every crack pixel of the data comes up once
    before any comes up again; the others are drawn afresh from all pixels that are not crack, so that a long run sees
    more of the background than one list of negatives, drawn once, would hold.

    Reference:
        paper 001, section II-A: all positive patches, and randomly drawn negative ones, 1:3.

    Args:
        positives: crack pixels of each image.
        pixels: all pixels of each image.
        ratio: crack to not crack, in whole numbers.
        seed: of the order.

    Raises:
        DatasetError: there are no pixels of one kind.
    """

    def __init__(self, positives: Sequence[int], pixels: Sequence[int], ratio: tuple[int, int], seed: int) -> None:
        self.ratio, self.seed = ratio, seed
        self.positive_ends = np.cumsum(positives)
        self.negative_ends = np.cumsum(np.subtract(pixels, positives))
        self.positives, self.negatives = int(self.positive_ends[-1]), int(self.negative_ends[-1])
        if not self.positives or not self.negatives:
            lacking = "no crack pixels" if not self.positives else "nothing but crack pixels"
            raise DatasetError(
                f"the training masks hold {lacking}",
                expected="both kinds, since `data.sampling.positive_ratio` is given",
                fix="look at the masks with `fissura data check`",
            )
        self._order = lru_cache(maxsize=4)(self._draw_order)

    def __len__(self) -> int:
        """Positions until every crack pixel came up once."""
        return -(-self.positives * sum(self.ratio) // self.ratio[0])

    def is_positive(self, position: int) -> bool:
        return position % sum(self.ratio) < self.ratio[0]

    def draw(self, position: int, draw: np.random.Generator) -> tuple[int, int | None]:
        """Image of a position, and the number of its crack pixel in it; None for any pixel that is not crack."""
        block, place = divmod(position, sum(self.ratio))
        if place >= self.ratio[0]:
            return int(np.searchsorted(self.negative_ends, draw.integers(self.negatives), side="right")), None
        number, index = divmod(block * self.ratio[0] + place, self.positives)
        pixel = int(self._order(number)[index])
        image = int(np.searchsorted(self.positive_ends, pixel, side="right"))
        return image, pixel - (int(self.positive_ends[image - 1]) if image else 0)

    def _draw_order(self, number: int) -> NDArray[np.int64]:
        return np.random.default_rng([self.seed, number, 2]).permutation(self.positives)


def around(pixel: tuple[int, int], size: tuple[int, int]) -> Window:
    """The window with `pixel` (y, x) in its middle; an even size has it just after the middle."""
    return Window(pixel[0] - size[0] // 2, pixel[1] - size[1] // 2, *size)


def anywhere(shape: tuple[int, ...], size: tuple[int, int], draw: np.random.Generator) -> Window:
    """A window anywhere in an image; one that is larger than the image starts at its corner."""
    top, left = (int(draw.integers(max(0, have - want) + 1)) for have, want in zip(shape[:2], size, strict=True))
    return Window(top, left, *size)


def holding(pixel: tuple[int, int], shape: tuple[int, ...], size: tuple[int, int], draw: np.random.Generator) -> Window:
    """A window anywhere in an image that holds `pixel` (y, x)."""
    corner = []
    for at, have, want in zip(pixel, shape[:2], size, strict=True):
        low, high = max(0, at - want + 1), min(at, max(0, have - want))
        corner.append(int(draw.integers(low, high + 1)))
    return Window(corner[0], corner[1], *size)


def wants_crack(position: int, share: float) -> bool:
    """Spreads `share` of the positions evenly: of the first n positions, n * share are meant, rounded down."""
    return int((position + 1) * share) > int(position * share)


def background_pixel(mask: Mask, draw: np.random.Generator) -> int:
    """Flat index of a pixel that is not crack, all alike; the mask must hold one."""
    flat = mask.reshape(-1)
    for _ in range(64):  # cracks are rare: the first draw nearly always does
        index = int(draw.integers(flat.size))
        if not flat[index]:
            return index
    return int(draw.choice(np.flatnonzero(~flat)))
