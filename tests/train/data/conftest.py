from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fissura.imaging.images import write_rgb


def pavement(seed: int, height: int = 96, width: int = 128) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 coarse and fine noise, as asphalt has it."""
    random = np.random.default_rng(seed)
    grain = random.normal(0, 1, (height, width)) + 4 * cv2.GaussianBlur(random.normal(0, 1, (height, width)), (0, 0), 3)
    gray = np.clip(128 + 20 * grain, 0, 255).astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=2)


def crack(column: int, height: int = 96, width: int = 128) -> NDArray[np.uint8]:
    """(H, W) uint8 mask of one straight crack."""
    mask = np.zeros((height, width), np.uint8)
    mask[:, column : column + 3] = 255
    return mask


@pytest.fixture
def clean_set(tmp_path: Path) -> Path:
    """Six images with masks, four to train on and two to test with; nothing is wrong with it."""
    root = tmp_path / "clean"
    for number in range(6):
        write_rgb(root / "images" / f"{number}.png", pavement(number))
        write_rgb(root / "masks" / f"{number}.png", crack(10 * number))
    (root / "train.txt").write_text("0\n1\n2\n3\n")
    (root / "test.txt").write_text("4\n5\n")
    return root
