"""The thresholds of the cheap pass, chosen with passes that are known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from calibration.proposal import choose_proposal
from fissura.dataset import Dataset, load_dataset
from fissura.errors import DatasetError
from fissura.imaging.images import RgbImage, write_rgb

SCALE, SIDE, IMAGES = 2, 256, 6


@pytest.fixture
def dark_lines(tmp_path: Path) -> Dataset:
    """Black lines of 6 pixels on grey ground, fainter from image to image; the last has none."""
    for number in range(IMAGES):
        mask = np.zeros((SIDE, SIDE), np.uint8)
        if number < IMAGES - 1:
            cv2.line(mask, (20, 40), (200, 40), 255, 6)
        image = np.full((SIDE, SIDE, 3), 200, np.uint8)
        image[mask > 0] = 40 * number
        write_rgb(tmp_path / "images" / f"{number}.png", image)
        write_rgb(tmp_path / "masks" / f"{number}.png", mask)
    (tmp_path / "train.txt").write_text("".join(f"{number}\n" for number in range(IMAGES)))
    (tmp_path / "test.txt").write_text("0\n")
    return load_dataset(tmp_path, "train")


def cheap(frame: RgbImage) -> NDArray[np.float32]:
    return ((200 - frame[..., 0].astype(np.float32)) / 200).clip(0, 1)


def full(frame: RgbImage) -> NDArray[np.float32]:
    return cv2.resize(
        (cheap(frame) > 0.1).astype(np.float32), None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_NEAREST
    )


def test_low_threshold_keeps_the_faintest_crack_and_the_decision_is_the_best(dark_lines: Dataset) -> None:
    decision, low = choose_proposal(cheap, full, 0.5, SCALE, dark_lines, 2.0)
    assert low == pytest.approx(0.2, abs=0.01)  # the faintest line: (200 - 160) / 200
    assert low <= decision.value
    assert decision.record.f1 > 0.9
    assert decision.record.tolerance_px == 1.0  # at the frame's resolution
    assert decision.record.images == IMAGES


def test_without_any_crack_there_is_nothing_to_choose(dark_lines: Dataset) -> None:
    def blind(frame: RgbImage) -> NDArray[np.float32]:
        return np.zeros((SCALE * frame.shape[0], SCALE * frame.shape[1]), np.float32)

    with pytest.raises(DatasetError, match="no crack is found"):
        choose_proposal(cheap, blind, 0.5, SCALE, dark_lines, 2.0)
