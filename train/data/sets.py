"""Data sets of a recipe: image/mask folders and procedural pavement, behind one small interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

import cv2
import numpy as np
from pydantic import Field, PositiveInt

from fissura.config import Config
from fissura.dataset import Dataset, find_dataset, load_dataset, read_sample
from fissura.imaging.images import Mask, RgbImage
from fissura.synth import SynthConfig, render


class FolderSetConfig(Config):
    """An image/mask folder, by path or by its name below FISSURA_DATA."""

    kind: Literal["folder"]
    path: str
    split: str = "train"
    split_seed: int = Field(0, ge=0, description="of the split that is drawn where the folder has no list files")
    labels: Literal["masks", "boundaries"] = Field(
        "masks", description="folder of the labels; boundaries: outlines of the labelled regions, paper 000's on CFD"
    )
    square_px: PositiveInt | None = Field(
        None, description="cut the middle square out of each image and bring it to this side; null: as stored"
    )
    drop: tuple[str, ...] = Field((), description="IDs to leave out")
    repeat: PositiveInt = Field(1, description="how often each image counts in one pass")


class SynthSetConfig(Config):
    """Procedural pavement, rendered when it is read."""

    kind: Literal["synth"]
    count: PositiveInt
    seed: int = Field(0, ge=0)
    repeat: PositiveInt = 1
    pavement: SynthConfig = SynthConfig()


SetConfig = Annotated[FolderSetConfig | SynthSetConfig, Field(discriminator="kind")]


class ImageSet(Protocol):
    """Images with masks, by index."""

    def __len__(self) -> int: ...

    def read(self, index: int) -> tuple[RgbImage, Mask]:
        """(H, W, 3) uint8 RGB and (H, W) bool."""
        ...

    def name(self, index: int) -> str:
        """What an image is called in messages."""
        ...

    def fingerprint(self) -> str:
        """Changes when any image or mask does."""
        ...


@dataclass(frozen=True)
class FolderSet:
    """A split of an image/mask folder; `square_px` as in its configuration."""

    dataset: Dataset
    square_px: int | None = None

    def __len__(self) -> int:
        return len(self.dataset.samples)

    def read(self, index: int) -> tuple[RgbImage, Mask]:
        image, mask = read_sample(self.dataset.samples[index])
        return (image, mask) if self.square_px is None else _squared(image, mask, self.square_px)

    def name(self, index: int) -> str:
        return str(self.dataset.samples[index].image)

    def fingerprint(self) -> str:
        return self.dataset.fingerprint()


@dataclass(frozen=True)
class SynthSet:
    """Procedural pavement with known cracks."""

    config: SynthSetConfig

    def __len__(self) -> int:
        return self.config.count

    def read(self, index: int) -> tuple[RgbImage, Mask]:
        frame = render(self.config.pavement, self.config.seed, index)
        return frame.image, frame.mask

    def name(self, index: int) -> str:
        return f"synthetic frame {index}"

    def fingerprint(self) -> str:
        return self.config.model_dump_json()


def open_set(config: FolderSetConfig | SynthSetConfig) -> ImageSet:
    """Open what one entry of a recipe names.

    Raises:
        DatasetError: there is no such set, or it is empty.
    """
    if isinstance(config, SynthSetConfig):
        return SynthSet(config)
    root = find_dataset(config.path)
    dataset = load_dataset(root, config.split, drop=config.drop, seed=config.split_seed, labels=config.labels)
    return FolderSet(dataset, config.square_px)


def _squared(image: RgbImage, mask: Mask, side: int) -> tuple[RgbImage, Mask]:
    """The middle square, averaged to (side, side); a pixel is crack where half of its area is."""
    shorter = min(mask.shape)
    top, left = ((have - shorter) // 2 for have in mask.shape)
    window = np.s_[top : top + shorter, left : left + shorter]
    pixels = cv2.resize(image[window], (side, side), interpolation=cv2.INTER_AREA)
    cracks = cv2.resize(mask[window].astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
    return pixels, cracks >= 0.5
