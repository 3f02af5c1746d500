from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import ndimage
from skimage.filters import apply_hysteresis_threshold
from skimage.morphology import reconstruction

from fissura.imaging.hysteresis import crack_pixels, hysteresis, low_for
from fissura.imaging.images import Mask

maps = arrays(np.float32, (12, 15), elements=st.floats(0, 1, width=32))
levels = st.floats(1 / 64, 63 / 64, width=32)


@settings(deadline=None)
@given(probability=maps, one=levels, other=levels)
def test_lies_between_the_masks_at_both_thresholds(probability: NDArray[np.float32], one: float, other: float) -> None:
    low, high = sorted((one, other))
    found = crack_pixels(probability, high, low)
    strong, weak = probability >= high, probability >= low
    assert not (strong & ~found).any()
    assert not (found & ~weak).any()


@settings(deadline=None)
@given(probability=maps, one=levels, other=levels)
def test_is_the_reconstruction_of_the_weak_mask_from_the_strong_one(
    probability: NDArray[np.float32], one: float, other: float
) -> None:
    low, high = sorted((one, other))
    strong, weak = (probability >= high).astype(np.uint8), (probability >= low).astype(np.uint8)
    expected = reconstruction(strong, weak, footprint=np.ones((3, 3)))
    np.testing.assert_array_equal(crack_pixels(probability, high, low), expected > 0)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 10**6), one=st.floats(0.2, 0.8), other=st.floats(0.2, 0.8))
def test_is_skimage_s_where_nothing_hangs_together_by_a_corner(seed: int, one: float, other: float) -> None:
    """skimage takes 4 neighbours and what is above, not at, the thresholds."""
    low, high = sorted((one, other))
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).random((40, 50)), 2.0)
    probability = ((smooth - smooth.min()) / np.ptp(smooth)).astype(np.float32)
    weak = probability >= np.float32(low)
    assume(ndimage.label(weak)[1] == ndimage.label(weak, np.ones((3, 3)))[1])
    assume(not np.isin(probability, np.array([low, high], np.float32)).any())
    np.testing.assert_array_equal(
        crack_pixels(probability, high, low), apply_hysteresis_threshold(probability, low, high)
    )


@settings(deadline=None)
@given(probability=maps, threshold=levels)
def test_equal_thresholds_are_the_plain_threshold(probability: NDArray[np.float32], threshold: float) -> None:
    plain = probability >= threshold
    np.testing.assert_array_equal(crack_pixels(probability, threshold, threshold), plain)
    np.testing.assert_array_equal(crack_pixels(probability, threshold), plain)


@settings(deadline=None)
@given(probability=maps, one=levels, other=levels, keep=arrays(bool, (12, 15)))
def test_what_lies_beyond_the_region_holds_nothing_together(
    probability: NDArray[np.float32], one: float, other: float, keep: Mask
) -> None:
    low, high = sorted((one, other))
    inside = np.where(keep, probability, np.float32(0))
    np.testing.assert_array_equal(crack_pixels(probability, high, low, keep), crack_pixels(inside, high, low))


def test_corners_hold_together_and_what_is_undefined_does_not() -> None:
    probability = np.full((5, 5), np.nan, np.float32)
    np.fill_diagonal(probability, (0.9, 0.5, 0.5, np.nan, 0.5))
    found = crack_pixels(probability, 0.8, 0.4)
    assert np.argwhere(found).tolist() == [[0, 0], [1, 1], [2, 2]]
    assert not hysteresis(np.zeros((3, 3), bool), np.ones((3, 3), bool)).any()


@settings(deadline=None)
@given(pair=st.tuples(levels, levels).map(sorted), one=levels, other=levels)
def test_the_low_threshold_moves_along(pair: list[float], one: float, other: float) -> None:
    low, high = pair
    assert low_for(high, low, high) == low
    below, above = sorted((one, other))
    moved = low_for(high, low, below), low_for(high, low, above)
    assert 0 < moved[0] <= below and 0 < moved[1] <= above
    assert moved[0] <= moved[1] * (1 + 1e-12)
    if low == high:
        assert moved == pytest.approx((below, above))
