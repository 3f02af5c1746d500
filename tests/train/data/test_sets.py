from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fissura.config import parse_config
from fissura.dataset import load_dataset
from fissura.errors import ConfigError
from fissura.imaging.images import write_rgb
from tests.train.data.conftest import crack
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


def test_the_labels_of_a_set_can_be_its_boundaries(clean_set: Path) -> None:
    for number in range(6):
        write_rgb(clean_set / "boundaries" / f"{number}.png", crack(100))
    values = {"kind": "folder", "path": str(clean_set), "labels": "boundaries"}
    images = open_set(parse_config(FolderSetConfig, values, origin="test"))
    assert np.array_equal(images.read(1)[1], crack(100) > 0)
    masks = open_set(folder_set(clean_set, 0))
    assert np.array_equal(masks.read(1)[1], crack(10) > 0)
    assert images.fingerprint() != masks.fingerprint()


def test_the_middle_square_of_an_image_is_averaged_to_the_side(clean_set: Path) -> None:
    values = {"kind": "folder", "path": str(clean_set), "square_px": 48}
    image, mask = open_set(parse_config(FolderSetConfig, values, origin="test")).read(3)  # 96x128, crack in 30, 31, 32
    assert image.shape == (48, 48, 3)
    assert np.flatnonzero(mask.all(axis=0)).tolist() == [7, 8]  # columns 30 to 33 of which one is half a crack
    assert np.array_equal(mask, np.broadcast_to(mask[0], mask.shape))
    whole, _ = open_set(folder_set(clean_set, 0)).read(3)
    blocks = whole[:, 16:112].reshape(48, 2, 48, 2, 3).mean(axis=(1, 3))
    assert np.abs(image - blocks).max() <= 0.5
