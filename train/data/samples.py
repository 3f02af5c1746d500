"""Training samples as a pure function of (seed, position), whatever the number of worker processes.

A run that was killed and resumed, or that runs with other workers, then sees exactly the same samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from fissura.errors import DatasetError, ImageError
from fissura.imaging.images import Mask, RgbImage
from fissura.imaging.resample import downsample
from train.data.augment import Augmentation
from train.data.sets import ImageSet

CACHED_IMAGES = 512


class TrainingSamples(Dataset[dict[str, Tensor]]):
    """Sample number `position` of an endless, seeded stream: image chosen, cropped, augmented.

    Each pass over the images takes them in a new random order. A sample holds `image` (3, H, W) in [0, 1], `mask`
    (1, H, W) of 0 and 1 and, for super-resolution, the `frame` (3, H/scale, W/scale) made of the image.
    """

    def __init__(
        self,
        sets: Sequence[tuple[ImageSet, int]],
        *,
        seed: int,
        crop: tuple[int, int] | None,
        multiple: int,
        scale: int,
        augmentation: Augmentation,
    ) -> None:
        self.items = [(s, i) for s, repeat in sets for _ in range(repeat) for i in range(len(s))]
        self.seed, self.crop, self.multiple, self.scale = seed, crop, multiple, scale
        self.augmentation = augmentation
        self._read = lru_cache(maxsize=CACHED_IMAGES)(self._read_item)
        self._order = lru_cache(maxsize=4)(self._draw_order)
        if crop is not None and (crop[0] % multiple or crop[1] % multiple):
            raise DatasetError(f"crops of {crop[0]}x{crop[1]} pixels", expected=f"multiples of {multiple}")

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, position: int) -> dict[str, Tensor]:
        generator = np.random.default_rng([self.seed, position])
        item = int(self._order(position // len(self.items))[position % len(self.items)])
        image, mask = self._cut(*self._read(item), generator)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(generator.integers(2**63)))
            pixels, truth = self.augmentation(
                torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 255,
                torch.from_numpy(np.ascontiguousarray(mask[None])).float(),
            )
        sample = {"image": pixels, "mask": truth}
        if self.scale > 1:
            rounded = (pixels * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
            sample["frame"] = torch.from_numpy(downsample(rounded, self.scale).transpose(2, 0, 1).copy()).float() / 255
        return sample

    def _read_item(self, item: int) -> tuple[RgbImage, Mask]:
        images, index = self.items[item]
        return images.read(index)

    def _draw_order(self, number: int) -> NDArray[np.intp]:
        return np.random.default_rng([self.seed, number, 1]).permutation(len(self.items))

    def _cut(self, image: RgbImage, mask: Mask, generator: np.random.Generator) -> tuple[RgbImage, Mask]:
        height, width = mask.shape
        if self.crop is None:
            if height % self.multiple or width % self.multiple:
                raise ImageError(
                    f"a training image of {width}x{height} pixels",
                    expected=f"sides that are multiples of {self.multiple}",
                    fix="set `data.crop` in the recipe",
                )
            return image, mask
        # An image smaller than the crop is continued by mirroring.
        missing = [(0, max(0, size - have)) for size, have in zip(self.crop, mask.shape, strict=True)]
        if missing[0][1] or missing[1][1]:
            image = np.pad(image, [*missing, (0, 0)], mode="symmetric")
            mask = np.pad(mask, missing, mode="symmetric")
        top, left = (int(generator.integers(have - size + 1)) for have, size in zip(mask.shape, self.crop, strict=True))
        window = np.s_[top : top + self.crop[0], left : left + self.crop[1]]
        return image[window], mask[window]


class EpochPositions(Sampler[int]):
    """Positions of the next epoch in the endless stream.

    Where an epoch starts comes from the number of samples already trained on, not from Lightning's epoch counter:
    in a resumed run that counter still stands at its old value when the first epoch asks for its positions.

    Args:
        count: samples of an epoch.
        trained_on: gives the number of samples that the model was trained on.
    """

    def __init__(self, count: int, trained_on: Callable[[], int]) -> None:
        self.count = count
        self.trained_on = trained_on

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        start = self.trained_on()
        return iter(range(start, start + self.count))


class ValidationSamples(Dataset[dict[str, NDArray[np.generic]]]):
    """Whole images and masks, as stored: `image` (H, W, 3) uint8 RGB, `mask` (H, W) bool."""

    def __init__(self, sets: Sequence[ImageSet]) -> None:
        self.items = [(s, i) for s in sets for i in range(len(s))]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, NDArray[np.generic]]:
        images, number = self.items[index]
        image, mask = images.read(number)
        return {"image": image, "mask": mask}
