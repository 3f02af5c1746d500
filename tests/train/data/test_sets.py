from __future__ import annotations

from pathlib import Path

import pytest

from fissura.config import parse_config
from fissura.dataset import load_dataset
from fissura.errors import ConfigError
from train.data.sets import FolderSetConfig, open_set


def folder_set(root: Path, split_seed: int) -> FolderSetConfig:
    values = {"kind": "folder", "path": str(root), "split_seed": split_seed}
    return parse_config(FolderSetConfig, values, origin="test")


def test_a_recipe_sets_the_seed_of_a_drawn_split(clean_set: Path) -> None:
    for name in ("train", "test"):
        (clean_set / f"{name}.txt").unlink()
    drawn = [open_set(folder_set(clean_set, seed)).fingerprint() for seed in range(4)]
    assert drawn == [load_dataset(clean_set, "train", seed=seed).fingerprint() for seed in range(4)]
    assert len(set(drawn)) > 1


def test_a_negative_seed_is_refused(clean_set: Path) -> None:
    with pytest.raises(ConfigError, match="split_seed"):
        folder_set(clean_set, -1)
