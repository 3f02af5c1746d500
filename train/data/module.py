"""The Lightning data module of a recipe."""

from __future__ import annotations

import hashlib
from typing import Any

import lightning.pytorch as pl
from torch.utils.data import DataLoader, Subset

from fissura.errors import ImageError
from train.config import Recipe
from train.data.augment import Augmentation
from train.data.samples import EpochPositions, Labels, TrainingSamples, ValidationSamples
from train.data.sets import open_set
from train.data.shards import Shard
from train.losses import build_loss
from train.processes import Processes


class CrackData(pl.LightningDataModule):
    """Training stream and validation images of a recipe.

    Args:
        recipe: which sets, how augmented.
        scale: super-resolution factor; 1 for none.
        labels_at: where the segmentation loss is taken; see `TrainingSamples`.

    Raises:
        DatasetError: a set is missing or empty, or cannot be sampled as the recipe says.
    """

    def __init__(self, recipe: Recipe, *, scale: int, labels_at: Labels = "image") -> None:
        super().__init__()
        self.recipe = recipe
        self.processes = Processes.of_environment()
        self.train_sets = [(open_set(config), config.repeat) for config in recipe.data.train]
        self.validation_sets = [open_set(config) for config in recipe.data.validation]
        self.samples = TrainingSamples(
            self.train_sets,
            seed=recipe.seed,
            crop=recipe.data.crop,
            scale=scale,
            augmentation=Augmentation(recipe.augmentation),
            sampling=recipe.data.sampling,
            frame_kernel=recipe.data.frame_kernel,
            distance=build_loss(recipe.loss).distance_kind,
            labels_at=labels_at,
        )
        steps = recipe.data.steps_per_epoch or max(1, len(self.samples) // recipe.data.batch_size)
        self.steps_per_epoch = steps
        self.positions = EpochPositions(steps * recipe.data.batch_size, self._trained_on)

    def check(self) -> None:
        """Read every image and mask once, so that a run fails in its first minute and not in its last.

        Raises:
            ImageError: one cannot be read, image and mask differ in size, or whole images differ among each other.
        """
        crop = self.recipe.data.crop
        sizes: dict[tuple[int, ...], str] = {}
        for images, _ in self.train_sets:
            for index in range(len(images)):
                image, _mask = images.read(index)
                sizes.setdefault(image.shape[:2], images.name(index))
        if crop is None and len(sizes) > 1:
            (first, one), (second, other), *_ = sizes.items()
            raise ImageError(
                f"training images differ in size: {one} is {first[1]}x{first[0]}, {other} is {second[1]}x{second[0]}",
                expected="one size, since whole images are batched",
                fix="set `data.crop` in the recipe",
            )
        for images in self.validation_sets:
            for index in range(len(images)):
                images.read(index)

    def _trained_on(self) -> int:
        return 0 if self.trainer is None else self.trainer.global_step * self.recipe.data.batch_size

    def fingerprint(self) -> str:
        """SHA-256 over the training sets' fingerprints, in order."""
        parts = "\n".join(f"{repeat} {images.fingerprint()}" for images, repeat in self.train_sets)
        return hashlib.sha256(parts.encode()).hexdigest()

    def train_dataloader(self) -> DataLoader[Any]:
        workers, batch_size = self.recipe.data.workers, self.recipe.data.batch_size
        rank, count = self.processes.rank, self.processes.count
        return DataLoader(
            self.samples,
            batch_size=batch_size // count,
            sampler=Shard(self.positions, batch_size=batch_size, rank=rank, count=count),
            num_workers=workers,
            persistent_workers=workers > 0,
        )

    def val_dataloader(self) -> DataLoader[Any]:
        images = ValidationSamples(self.validation_sets)
        return DataLoader(Subset(images, self.processes.share(len(images))), batch_size=None, collate_fn=_as_is)


def _as_is(sample: Any) -> Any:
    return sample
