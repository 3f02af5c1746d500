"""How far two maps are apart is counted as it is said to be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from edge_runtime.updates.comparison import Comparison, Reading, psi

READING = Reading(0.5)


def crack(top: int, rows: int, value: float = 0.9) -> NDArray[np.float32]:
    """(100, 200) with one bar, 100 pixels long."""
    found = np.full((100, 200), 0.01, np.float32)
    found[top : top + rows, 50:150] = value
    return found


def compare(
    old: NDArray[np.float32], new: NDArray[np.float32], reads_old: Reading = READING, reads_new: Reading = READING
) -> dict[str, float]:
    comparison = Comparison(reads_old, reads_new, 0.002)
    comparison.add(old, new)
    return comparison.figures()


def test_equal_maps_are_not_apart() -> None:
    figures = compare(crack(10, 12), crack(10, 12))
    assert figures == {
        "mask_iou": 1,
        "crack_fraction": 0,
        "psi": 0,
        "components": 0,
        "frames": 1,
        "rich_frames": 1,
        "free_frames": 0,
    }


def test_a_crack_that_moved_is_seen_by_its_mask_alone() -> None:
    figures = compare(crack(10, 12), crack(16, 12))
    assert figures["mask_iou"] == pytest.approx(6 / 18)
    assert figures["crack_fraction"] == 0 and figures["components"] == 0


def test_twice_as_much_crack_in_one_more_piece() -> None:
    figures = compare(crack(10, 10), np.maximum(crack(10, 10), crack(50, 10)))
    assert figures["mask_iou"] == 0.5
    assert figures["crack_fraction"] == pytest.approx(1) and figures["components"] == 1


def test_other_confidences_are_seen_where_the_masks_are_equal() -> None:
    figures = compare(crack(10, 12, 0.95), crack(10, 12, 0.55))
    assert figures["mask_iou"] == 1 and figures["psi"] > 1


def test_confidences_are_compared_at_each_models_temperature() -> None:
    """0.88 at temperature 2 is stated as 0.73, as 0.73 at temperature 1 is."""
    figures = compare(crack(10, 12, 0.88), crack(10, 12, 0.73), reads_old=Reading(0.5, None, 2.0))
    assert figures["psi"] == 0


def test_thresholds_and_hysteresis_are_each_models_own() -> None:
    faint = np.maximum(crack(10, 4, 0.9), crack(14, 8, 0.4))
    assert compare(crack(10, 12), faint)["mask_iou"] == pytest.approx(4 / 12)
    assert compare(crack(10, 12), faint, reads_new=Reading(0.5, 0.3))["mask_iou"] == 1


def test_maps_of_other_scales_are_compared_at_the_coarser_one() -> None:
    twice = np.repeat(np.repeat(crack(10, 12), 2, axis=0), 2, axis=1)
    for old, new in ((crack(10, 12), twice), (twice, crack(10, 12))):
        assert compare(old, new)["mask_iou"] == 1


def test_rich_and_free_frames_are_counted_by_the_old_model() -> None:
    comparison = Comparison(READING, READING, rich_fraction=0.002)
    nothing, little, much = (np.zeros((100, 200), np.float32) for _ in range(3))
    little[0, :30] = much[0, :60] = 1.0
    for old in (nothing, little, much):
        comparison.add(old, much)
    assert (comparison.frames, comparison.rich, comparison.free) == (3, 1, 1)


counts = st.lists(st.integers(0, 10**6), min_size=10, max_size=10).filter(lambda found: sum(found) > 0)


@given(one=counts, other=counts)
def test_psi_is_symmetric_and_zero_only_for_equal_shares(one: list[int], other: list[int]) -> None:
    first, second = np.array(one, float), np.array(other, float)
    assert psi(first, second) == pytest.approx(psi(second, first)) and psi(first, second) >= 0
    assert psi(first, 3 * first) == pytest.approx(0, abs=1e-12)
