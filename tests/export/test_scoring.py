"""What a bundle ships with is scored as the vehicle decides it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.scoring import Predictor, evaluate
from fissura.dataset import load_dataset
from fissura.imaging.images import RgbImage, write_rgb
from fissura.metrics.ods import Ods


def test_hysteresis_counts_at_the_bundle_s_threshold(tmp_path: Path) -> None:
    dark, mask = np.full((30, 60), 0.1), np.zeros((30, 60), bool)
    dark[5:8, 5:20], dark[5:8, 20:55], dark[20:23, 5:35], mask[5:8, 5:55] = 0.9, 0.5, 0.5, True
    write_rgb(tmp_path / "images" / "0.png", np.round(255 * (1 - dark)).astype(np.uint8)[..., None].repeat(3, axis=2))
    write_rgb(tmp_path / "masks" / "0.png", mask.astype(np.uint8) * 255)

    def darkness(frame: RgbImage) -> NDArray[np.float32]:
        return 1 - frame.mean(axis=2, dtype=np.float32) / 255

    data = load_dataset(tmp_path, "all")
    f1 = {}
    for low in (None, 0.4):
        model = Predictor("segmentation", 1, 0.8, darkness, low_threshold=low)
        shipped = evaluate(model, data, {"ods": Ods(0)})["ods"].at_bundle_threshold
        assert shipped is not None and shipped["threshold"] == 0.8
        f1[low] = shipped["f1"]
    assert f1[0.4] == 1.0 > f1[None]
