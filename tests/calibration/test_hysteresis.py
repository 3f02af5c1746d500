"""Two thresholds where the better pair is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from calibration.hysteresis import LEAST_GAIN, choose_hysteresis
from calibration.thresholds import GraphOnList, Threshold, choose_threshold
from fissura.dataset import load_dataset
from fissura.errors import DatasetError
from fissura.imaging.images import Mask, RgbImage
from tests.calibration.conftest import write_images


def darkness(frame: RgbImage) -> NDArray[np.float32]:
    return 1 - frame.mean(axis=2, dtype=np.float32) / 255


def faint_road(*, stains: float) -> tuple[NDArray[np.uint8], Mask]:
    """A crack of darkness 0.9 that goes on at 0.55, and stains of the given darkness that are as large as it."""
    dark, mask = np.full((60, 80), 0.1), np.zeros((60, 80), bool)
    dark[5:8, 10:30], dark[5:8, 30:70], mask[5:8, 10:70] = 0.9, 0.55, True
    dark[20:23, 10:40] = dark[40:43, 10:40] = stains
    return np.round(255 * (1 - dark)).astype(np.uint8), mask


def on_list(root: Path) -> tuple[GraphOnList, Threshold]:
    dataset = load_dataset(root, "train")
    return GraphOnList(darkness, 1, "segmentation", dataset, 2.0), choose_threshold(
        darkness, 1, "segmentation", dataset, 2.0
    )


def test_a_faint_continuation_is_won_and_stains_are_not(tmp_path: Path) -> None:
    graph, alone = on_list(write_images(tmp_path / "stained", faint_road(stains=0.6)))
    assert alone.record.f1 < 0.75  # with the stains, or without the faint part
    found = choose_hysteresis(graph, alone)
    low, high = found.threshold.low, found.threshold.value
    assert low is not None and 0.1 < low < 0.55 and 0.6 < high < 0.9
    assert found.threshold.record.f1 == found.threshold.record.recall == 1.0
    assert found.gain == pytest.approx(1 - alone.record.f1)
    assert found.threshold.record.fingerprint == alone.record.fingerprint
    assert found.false_cracks_per_frame is None


def test_stays_away_where_it_brings_nothing(tmp_path: Path) -> None:
    graph, alone = on_list(write_images(tmp_path / "clean", faint_road(stains=0.1)))
    found = choose_hysteresis(graph, alone)
    assert found.threshold == alone and found.threshold.low is None
    assert 0 <= found.gain < LEAST_GAIN


def test_a_given_low_threshold_gets_the_high_one_that_goes_with_it(tmp_path: Path) -> None:
    graph, alone = on_list(write_images(tmp_path / "stained", faint_road(stains=0.6)))
    found = choose_hysteresis(graph, alone, low=0.5)
    assert found.threshold.low == 0.5 and 0.6 < found.threshold.value < 0.9
    assert found.threshold.record.f1 == 1.0
    high = choose_hysteresis(graph, alone, low=0.95)  # never above the threshold that it goes with
    assert high.threshold.low is not None and high.threshold.low <= high.threshold.value


def test_the_limit_of_false_cracks_holds_for_the_pair(tmp_path: Path) -> None:
    graph, alone = on_list(write_images(tmp_path / "stained", faint_road(stains=0.6)))
    found = choose_hysteresis(graph, alone, most_false_per_frame=0)
    assert (found.threshold.record.f1, found.false_cracks_per_frame) == (1.0, 0)
    dark, _ = on_list(write_images(tmp_path / "black", faint_road(stains=1.0)))
    with pytest.raises(DatasetError, match=r"2 false cracks a frame or more, with the low threshold 0\.3"):
        choose_hysteresis(dark, alone, most_false_per_frame=1, low=0.3)
    with pytest.raises(DatasetError, match=r"2 false cracks a frame or more, with every pair of thresholds around 0\."):
        choose_hysteresis(dark, alone, most_false_per_frame=1)
