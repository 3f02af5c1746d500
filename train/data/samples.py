"""Training samples as a pure function of (seed, position), whatever the number of worker processes.

A run that was killed and resumed, or that runs with other workers, then sees exactly the same samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from fissura.errors import DatasetError, ImageError
from fissura.imaging.images import Mask, RgbImage
from fissura.imaging.resample import FrameKernel, downsample, downsample_mask
from train.data.augment import Augmentation
from train.data.geometry import Window
from train.data.sampling import (
    PatchCentres,
    SamplingConfig,
    anywhere,
    around,
    background_pixel,
    holding,
    wants_crack,
)
from train.data.sets import ImageSet
from train.losses.distance import distance_map
from train.losses.loss import DistanceKind

CACHED_IMAGES = 512

Labels = Literal["image", "frame"]


class Picture(NamedTuple):
    """An image as it is kept for the samples that are cut out of it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) bool.
        cracks: flat indices of the crack pixels.
    """

    image: RgbImage
    mask: Mask
    cracks: NDArray[np.int32]


class TrainingSamples(Dataset[dict[str, Tensor]]):
    """Sample number `position` of an endless, seeded stream: image chosen, cut, augmented.

    Each pass over the images takes them in a new random order; with a `positive_ratio` the pass is one over the
    crack pixels (`PatchCentres`). A sample holds `image` (3, H, W) in [0, 1] and `mask` (1, H, W) of 0 and 1; for
    super-resolution also the `frame` (3, H/scale, W/scale) made of the image, and for a loss that uses one the
    `distance` map (1, H, W) of the mask.

    Args:
        sets: each with how often its images count in a pass.
        seed: of everything random.
        crop: height and width of a sample; None for whole images.
        sampling: where crops lie.
        scale: super-resolution factor; 1 for none.
        frame_kernel: how frames are made.
        augmentation: cuts and changes a sample; its `camera` then degrades the frame, or the image where there is none.
        distance: which distance map the loss wants; None for none.
        labels_at: where the segmentation loss is taken: at the image's resolution, or at the frame's; a sample then
            also holds the `frame_mask` (1, H/scale, W/scale), of which the `distance` is.

    Raises:
        DatasetError: crops that `scale` does not divide, or masks that cannot give the `positive_ratio`.
        ImageError: with a `positive_ratio`, which needs all masks at once: one cannot be read.
    """

    def __init__(
        self,
        sets: Sequence[tuple[ImageSet, int]],
        *,
        seed: int,
        crop: tuple[int, int] | None,
        scale: int,
        augmentation: Augmentation,
        sampling: SamplingConfig = SamplingConfig(),  # noqa: B008 - immutable
        frame_kernel: FrameKernel = "area",
        distance: DistanceKind | None = None,
        labels_at: Labels = "image",
    ) -> None:
        self.items = [(s, i) for s, repeat in sets for _ in range(repeat) for i in range(len(s))]
        self.seed, self.crop, self.scale, self.sampling = seed, crop, scale, sampling
        self.augmentation, self.frame_kernel, self.distance = augmentation, frame_kernel, distance
        self.labels_at = labels_at
        self._read = lru_cache(maxsize=CACHED_IMAGES)(self._read_item)
        self._order = lru_cache(maxsize=4)(self._draw_order)
        if crop is not None and (crop[0] % scale or crop[1] % scale):
            raise DatasetError(
                f"crops of {crop[0]}x{crop[1]} pixels", expected=f"multiples of {scale}, the super-resolution's scale"
            )
        self.patches: PatchCentres | None = None
        if sampling.positive_ratio is not None:
            masks = (images.read(index)[1] for images, index in self.items)
            positives, pixels = zip(*((int(mask.sum()), mask.size) for mask in masks), strict=True)
            self.patches = PatchCentres(positives, pixels, sampling.positive_ratio, seed)

    def __len__(self) -> int:
        return len(self.items) if self.patches is None else len(self.patches)

    def __getitem__(self, position: int) -> dict[str, Tensor]:
        draw = np.random.default_rng([self.seed, position])
        picture, window = self._place(position, draw)
        size = self.crop or picture.mask.shape
        pixels, truth = self.augmentation(picture.image, picture.mask, window, (size[0], size[1]), draw)
        sample = {"image": pixels, "mask": torch.from_numpy(truth[None]).float()}
        if self.scale > 1 or self.augmentation.camera is not None:
            rounded = (pixels * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
            frame = downsample(rounded, self.scale, self.frame_kernel)
            if self.augmentation.camera is not None:
                frame = self.augmentation.camera(frame, draw)
            seen = torch.from_numpy(frame.transpose(2, 0, 1).copy()).float() / 255
            sample["frame" if self.scale > 1 else "image"] = seen
        if self.labels_at == "frame":
            truth = downsample_mask(truth, self.scale)
            sample["frame_mask"] = torch.from_numpy(truth[None]).float()
        if self.distance is not None:
            sample["distance"] = torch.from_numpy(distance_map(truth, self.distance)[None])
        return sample

    def _place(self, position: int, draw: np.random.Generator) -> tuple[Picture, Window]:
        if self.patches is not None:
            item, number = self.patches.draw(position, draw)
            picture = self._read(item)
            pixel = background_pixel(picture.mask, draw) if number is None else int(picture.cracks[number])
            return picture, around(divmod(pixel, picture.mask.shape[1]), self._window_size(draw))
        item = int(self._order(position // len(self.items))[position % len(self.items)])
        picture = self._read(item)
        if self.crop is None:
            return picture, self._whole(picture.mask)
        size = self._window_size(draw)
        if wants_crack(position, self.sampling.crack_share) and len(picture.cracks):
            pixel = int(draw.choice(picture.cracks))
            return picture, holding(divmod(pixel, picture.mask.shape[1]), picture.mask.shape, size, draw)
        return picture, anywhere(picture.mask.shape, size, draw)

    def _window_size(self, draw: np.random.Generator) -> tuple[int, int]:
        assert self.crop is not None, "`DataConfig` asks for a crop"
        low, high = self.sampling.window_scale
        share = 1.0 if low == high == 1 else draw.uniform(low, high)
        return max(1, round(share * self.crop[0])), max(1, round(share * self.crop[1]))

    def _whole(self, mask: Mask) -> Window:
        height, width = mask.shape
        if height % self.scale or width % self.scale:
            raise ImageError(
                f"a training image of {width}x{height} pixels",
                expected=f"sides that are multiples of {self.scale}, the super-resolution's scale",
                fix="set `data.crop` in the recipe",
            )
        return Window(0, 0, height, width)

    def _read_item(self, item: int) -> Picture:
        images, index = self.items[item]
        image, mask = images.read(index)
        return Picture(image, mask, np.flatnonzero(mask).astype(np.int32))

    def _draw_order(self, number: int) -> NDArray[np.intp]:
        return np.random.default_rng([self.seed, number, 1]).permutation(len(self.items))


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
