"""What every implementation of `find` keeps to."""

from __future__ import annotations

import importlib.util

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fissura.imaging.find import longest_first
from fissura.imaging.hysteresis import crack_pixels
from fissura.imaging.images import Mask
from fissura.imaging.implementation import NUMPY, Implementation, fastest
from tests.fissura.imaging.shapes import blobs

needs_numba = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None, reason="numba is not installed (extra 'fast')"
)
THRESHOLDS = (0.5, 0.25, 0.85, 0.1, 1 / 3)  # two that float32 holds exactly, and three that it rounds up or down


@pytest.fixture(scope="module", params=["numpy", pytest.param("compiled", marks=needs_numba)])
def implementation(request: pytest.FixtureRequest) -> Implementation:
    chosen = NUMPY if request.param == "numpy" else fastest()
    assert chosen.name == request.param
    return chosen


def near(threshold: float) -> list[np.float32]:
    """All that a comparison could get wrong."""
    at = np.float32(threshold)
    below, above = np.nextafter(at, np.float32(0)), np.nextafter(at, np.float32(1))
    return [below, at, above, *map(np.float32, (np.nan, np.inf, -np.inf, 0, -0.0, 1, 2, -1))]


def regions(mask: Mask) -> list[int]:
    """Sizes of 8-connected components, as OpenCV counts them."""
    _, _, table, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(mask).view(np.uint8), connectivity=8)
    return sorted(table[1:, cv2.CC_STAT_AREA].tolist())


@settings(deadline=None)
@given(
    seed=st.integers(0, 10**6),
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    threshold=st.sampled_from(THRESHOLDS),
    low_threshold=st.none() | st.sampled_from((0.02, 0.1)),
    kept=st.none() | st.floats(0.5, 1),
)
def test_components_are_those_of_the_pixels_at_or_above_the_threshold(
    implementation: Implementation,
    seed: int,
    height: int,
    width: int,
    threshold: float,
    low_threshold: float | None,
    kept: float | None,
) -> None:
    rng = np.random.default_rng(seed)
    values = near(threshold) if low_threshold is None else near(threshold) + near(low_threshold)
    probability = rng.choice(np.array(values, np.float32), (height, width))
    keep = None if kept is None else rng.random((height, width)) < kept
    found = implementation.find(probability, threshold=threshold, low_threshold=low_threshold, keep=keep)
    expected = crack_pixels(probability, threshold, low_threshold, keep)
    assert sorted(found.sizes.area_px.tolist()) == regions(expected)
    assert sorted(found.order) == list(range(len(found.sizes.area_px)))
    for number, outline, box in zip(found.order, found.outlines, found.boxes, strict=True):
        x, y = outline.reshape(-1, 2).T
        assert expected[y, x].all()
        assert box == [x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1]
        assert len(outline) <= 4 * found.sizes.area_px[number]


@pytest.mark.parametrize("width", [1, 7, 8, 9, 15, 16, 17, 64])
def test_a_map_that_is_all_crack_is_one_component(implementation: Implementation, width: int) -> None:
    found = implementation.find(np.ones((5, width), np.float32), threshold=1.0)
    assert found.sizes.area_px.tolist() == [5 * width]
    assert found.confidences.tolist() == [1.0]
    assert found.outlines[0].reshape(-1, 2).min(axis=0).tolist() == [0, 0]
    assert found.outlines[0].reshape(-1, 2).max(axis=0).tolist() == [width - 1, 4]
    assert found.boxes == [[0, 0, width, 5]]


@pytest.mark.parametrize("value", [0.0, np.nan])
def test_nothing_in_an_empty_or_undefined_map(implementation: Implementation, value: float) -> None:
    found = implementation.find(np.full((6, 9), value, np.float32), threshold=0.5, min_length_px=10)
    assert [len(part) for part in (found.sizes.length_px, found.confidences, found.order, found.outlines)] == [0] * 4


def test_columns_of_single_pixels_are_each_a_component(implementation: Implementation) -> None:
    """As many runs in a row as there can be."""
    probability = np.zeros((40, 61), np.float32)
    probability[::2, ::2] = 0.9
    found = implementation.find(probability, threshold=0.5)
    assert found.sizes.area_px.tolist() == [1.0] * 20 * 31


@pytest.mark.parametrize("temperature", [1.0, 1.7])
def test_confidences_are_means_of_what_lies_between_0_and_1(implementation: Implementation, temperature: float) -> None:
    probability = np.zeros((3, 30), np.float32)
    probability[1, 5:15], probability[1, 15:25] = 1.5, 0.5
    found = implementation.find(probability, threshold=0.5, temperature=temperature)
    assert found.confidences.tolist() == pytest.approx([0.75])


def test_a_strong_pixel_holds_its_component_alone(implementation: Implementation) -> None:
    probability = np.zeros((9, 30), np.float32)
    probability[1, 2:20], probability[4, 2:25], probability[7, 2:28] = 0.4, 0.4, 0.4
    probability[4, 24], probability[1, 2] = 0.8, np.nextafter(np.float32(0.8), np.float32(0))
    found = implementation.find(probability, threshold=0.8, low_threshold=0.3)
    assert found.sizes.area_px.tolist() == [23.0]


@pytest.mark.parametrize("low_threshold", [None, 0.53])
def test_maps_with_gaps_and_maps_that_cannot_be_written_to(
    implementation: Implementation, low_threshold: float | None
) -> None:
    rng = np.random.default_rng(2)
    wide = cv2.GaussianBlur(rng.random((50, 90)).astype(np.float32), (0, 0), 2)
    keep = blobs(3, 90, 0.8)[:50]

    def found(probability: NDArray[np.float32], keep: Mask) -> list[list[float]]:
        result = implementation.find(probability, threshold=0.55, low_threshold=low_threshold, keep=keep)
        return [result.sizes.length_px.tolist(), result.confidences.tolist(), [*map(float, result.order)]]

    expected = found(wide[:, 20:70].copy(), keep[:, 20:70].copy())
    assert len(expected[0]) > 3
    assert found(wide[:, 20:70], keep[:, 20:70]) == expected
    locked, locked_keep = wide[:, 20:70].copy(), keep[:, 20:70].copy()
    locked.flags.writeable = locked_keep.flags.writeable = False
    assert found(locked, locked_keep) == expected


def test_longest_first_and_the_lower_number_of_two_that_are_as_long() -> None:
    lengths = np.array([3.0, 9.0, 5.0, 9.0, 4.9, 5.0])
    assert longest_first(lengths, 5.0) == [1, 3, 2, 5]
    assert longest_first(lengths, 10.0) == []
