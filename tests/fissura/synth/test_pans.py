"""A window over photographs: its way, its truth, and where it fits."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from fissura.dataset import load_dataset
from fissura.imaging.images import write_rgb
from fissura.metrics.matching import grown
from fissura.synth.flyover import FlyoverConfig, ground_of
from fissura.synth.pans import pans

CAMERA = FlyoverConfig(width=80, height=60, frames=9, speed_px=6, jitter_px=0.3, turn_deg=0.1, distractors=0)


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for number, (height, width) in enumerate(((120, 160), (64, 90), (200, 200))):
        mask = np.zeros((height, width), bool)
        mask[:, width // 2 - 2 : width // 2 + 2] = True
        image = rng.integers(0, 256, (height, width, 3), np.uint8)
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "masks").mkdir(exist_ok=True)
        write_rgb(tmp_path / "images" / f"{number}.png", image)
        cv2.imwrite(str(tmp_path / "masks" / f"{number}.png"), mask.astype(np.uint8) * 255)
    return tmp_path


def test_the_window_goes_from_corner_to_corner_at_its_speed(photographs: Path) -> None:
    clips = pans(load_dataset(photographs, "all"), 2, CAMERA, seed=0)
    assert [clip[0].mask.shape for clip in clips] == [(60, 80), (48, 67)]  # three quarters of the small one
    assert [len(clip) for clip in clips] == [9, 4]  # as many as there is room for
    for clip in clips:
        ways = [np.hypot(*now.pose[:2, 2] - before.pose[:2, 2]) for before, now in pairwise(clip)]
        assert np.mean(ways) == pytest.approx(6, abs=1)


def test_the_truth_is_the_photographs_and_the_same_seed_gives_the_same(photographs: Path) -> None:
    dataset = load_dataset(photographs, "all")
    clips, again = pans(dataset, 3, CAMERA, seed=1), pans(dataset, 3, CAMERA, seed=1)
    assert all(
        np.array_equal(a.image, b.image)
        for one, two in zip(clips, again, strict=True)
        for a, b in zip(one, two, strict=True)
    )
    ground = ground_of(clips[2])
    truth = np.zeros((200, 200), bool)
    truth[:, 98:102] = True
    assert ground.sum() > 100 and not (ground & ~grown(truth[: ground.shape[0], : ground.shape[1]], 1.5)).any()
