"""False cracks, counted and limited: what is reported, is long enough, and touches no true crack."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, label

from calibration.false_alarms import FalseAlarms, choose_by_false_alarms, false_cracks
from calibration.thresholds import GraphOnList, Threshold
from fissura.dataset import load_dataset
from fissura.errors import DatasetError
from fissura.imaging.images import Mask, RgbImage
from fissura.imaging.measure import long_components
from fissura.metrics.matching import grown
from fissura.metrics.ods import THRESHOLDS
from tests.calibration.conftest import write_images
from tests.fissura.imaging.shapes import blobs


def darkness(frame: RgbImage) -> NDArray[np.float32]:
    return 1 - frame.mean(axis=2, dtype=np.float32) / 255


def road(*false: int, height: int = 60) -> tuple[NDArray[np.uint8], Mask]:
    """Pavement of darkness 0.1 with a crack of 0.8, and lines just above the given darkness (percent), no cracks."""
    grey, mask = np.full((height, 80), 0.9 * 255, np.uint8), np.zeros((height, 80), bool)
    grey[5:8, 10:70], mask[5:8, 10:70] = 0.2 * 255, True
    for number, dark in enumerate(false):
        grey[15 + 10 * number : 17 + 10 * number, 10:50] = max(0, round(255 * (100 - dark) / 100) - 1)
    return grey, mask


def on_list(root: Path, tolerance_px: float = 2.0) -> GraphOnList:
    return GraphOnList(darkness, 1, "segmentation", load_dataset(root, "train"), tolerance_px)


@pytest.fixture(scope="module")
def roads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("roads"), road(30, 50), road(50, 70), road(), road(40))


def test_takes_the_lowest_threshold_that_keeps_the_limit(roads: Path) -> None:
    chosen = {most: choose_by_false_alarms(on_list(roads), most) for most in (0, 0.25, 0.5, 0.75, 1.0, 1.25, 9)}
    found = {most: (threshold.value, rate) for most, (threshold, rate) in chosen.items()}
    # False lines of darkness 0.7, 0.5 twice, 0.4, 0.3 on four images; 0.1 and below is all of the pavement, as one
    # component with the crack.
    assert found == {
        0: (0.71, 0),
        0.25: (0.51, 0.25),
        0.5: (0.51, 0.25),
        0.75: (0.41, 0.75),
        1.0: (0.31, 1.0),
        1.25: (0.01, 0),
        9: (0.01, 0),
    }
    for threshold, _ in chosen.values():
        assert threshold.record.recall == 1.0 and threshold.record.images == 4
    values = [threshold.value for threshold, _ in chosen.values()]
    assert values == sorted(values, reverse=True)
    assert chosen[0][0].record.precision == 1.0 > chosen[1.0][0].record.precision


def test_a_threshold_below_which_everything_runs_together_does_not_keep_the_limit(roads: Path) -> None:
    """At 0.05 the pavement and its cracks are one component, so that nothing false is reported."""
    assert false_cracks(np.ones((60, 80), bool), road()[1], 10) == 0
    assert choose_by_false_alarms(on_list(roads), 0)[0].value > 0.7


@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10**6), one=st.integers(0, 5), other=st.integers(0, 5))
def test_the_more_is_allowed_the_lower_the_threshold(seed: int, one: int, other: int) -> None:
    noise = gaussian_filter(np.random.default_rng(seed).random((30, 40)), 1.2)
    probability, truth = ((noise - noise.min()) / np.ptp(noise)).astype(np.float32), blobs(seed, 40, 0.05)[:30]
    found = []
    for most in sorted((one, other)):
        alarms = FalseAlarms(most, 2.0, 5)
        alarms.add(probability, truth)
        found.append(len(THRESHOLDS) if alarms.lowest is None else alarms.lowest)
    assert found[0] >= found[1]


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6), share=st.floats(0.05, 0.5), tolerance=st.sampled_from([0.0, 2.0]))
def test_counts_the_reported_components_away_from_the_truth(seed: int, share: float, tolerance: float) -> None:
    predicted, near = blobs(seed, 48, share), grown(blobs(seed + 1, 48, 0.1), tolerance)
    labels, count = label(long_components(predicted, 4), np.ones((3, 3)))
    expected = sum(not near[labels == number].any() for number in range(1, count + 1))
    assert false_cracks(predicted, near, 4) == expected


def test_counts_stay_complete_where_the_limit_is_kept() -> None:
    alarms, every = FalseAlarms(1, 2.0, 10), FalseAlarms(np.inf, 2.0, 10)
    for grey, mask in (road(30), road(60), road(30, 90)):
        probability = (255 - grey.astype(np.float32)) / 255
        alarms.add(probability, mask)
        every.add(probability, mask)
    assert alarms.lowest is not None and every.lowest == 0
    np.testing.assert_array_equal(alarms.counts[alarms.lowest :], every.counts[alarms.lowest :])
    assert every.counts[alarms.lowest - 1] > 1
    assert THRESHOLDS[alarms.lowest] == pytest.approx(0.61)


def test_a_limit_that_nothing_keeps_is_refused(tmp_path: Path) -> None:
    black = write_images(tmp_path / "black", road(100))
    with pytest.raises(DatasetError, match=r"more than 0\.5 false cracks a frame at threshold 0\.99") as caught:
        choose_by_false_alarms(on_list(black), 0.5)
    assert "at most 0.5" in caught.value.expected
    with pytest.raises(DatasetError, match="finds no crack at the thresholds that keep 0 false"):
        choose_by_false_alarms(on_list(write_images(tmp_path / "faint", road(90))), 0)


def test_the_length_is_that_of_the_camera_frame(tmp_path: Path) -> None:
    """A false line of 16 map pixels is 8 camera pixels of a graph that doubles: too short to be reported."""
    grey, mask = road()
    grey[20:22, 10:26] = 0
    data = load_dataset(write_images(tmp_path / "short", (grey, mask)), "train")

    def doubled(frame: RgbImage) -> NDArray[np.float32]:
        return darkness(frame).repeat(2, axis=0).repeat(2, axis=1)

    enlarging, plain = GraphOnList(doubled, 2, "fused", data, 2.0), GraphOnList(darkness, 1, "segmentation", data, 2.0)
    chosen: Threshold = choose_by_false_alarms(enlarging, 0)[0]
    assert chosen.value < 0.5
    with pytest.raises(DatasetError):
        choose_by_false_alarms(plain, 0)
