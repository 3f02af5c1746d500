"""Scoring on a part of the training images, so that a choice by score leaves the validation list untouched."""

from __future__ import annotations

import numpy as np

from fissura.dataset import find_dataset, load_dataset
from fissura.errors import DatasetError
from train.config import Recipe
from train.data.sets import FolderSetConfig, SetConfig, SynthSetConfig

# Procedural pavement of other seeds than any recipe uses.
SEED_STEP = 1_000_003


def hold_out(recipe: Recipe) -> Recipe:
    """The recipe that trains on a part of its training images and is scored on the rest.

    Args:
        recipe: its `tune.holdout` is the share of each training set that is scored on; null changes nothing.

    Raises:
        DatasetError: a set is missing, or too small to be divided.
    """
    share = recipe.tune.holdout
    if share is None:
        return recipe
    pairs: list[tuple[SetConfig, SetConfig]] = []
    for number, config in enumerate(recipe.data.train):
        rng = np.random.default_rng([recipe.tune.holdout_seed, number])
        pairs.append(_divide(config, share, rng) if isinstance(config, FolderSetConfig) else _reseed(config, share))
    train, validation = zip(*pairs, strict=True)
    return recipe.model_copy(update={"data": recipe.data.model_copy(update={"train": train, "validation": validation})})


def _divide(config: FolderSetConfig, share: float, rng: np.random.Generator) -> tuple[FolderSetConfig, FolderSetConfig]:
    dataset = load_dataset(find_dataset(config.path), config.split, drop=config.drop, seed=config.split_seed)
    ids = sorted(sample.id for sample in dataset.samples)
    count = round(share * len(ids))
    if not 0 < count < len(ids):
        raise DatasetError(
            f"`tune.holdout` {share} takes {count} of the {len(ids)} images of {config.path}",
            expected="one at least, and not all",
        )
    held = set(rng.choice(ids, count, replace=False).tolist())
    rest = tuple(name for name in ids if name not in held)
    return (
        config.model_copy(update={"drop": (*config.drop, *sorted(held))}),
        config.model_copy(update={"drop": (*config.drop, *rest), "repeat": 1}),
    )


def _reseed(config: SynthSetConfig, share: float) -> tuple[SynthSetConfig, SynthSetConfig]:
    count = max(1, round(share * config.count))
    return config, config.model_copy(update={"seed": config.seed + SEED_STEP, "count": count, "repeat": 1})
