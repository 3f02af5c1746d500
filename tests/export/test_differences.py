"""What two outputs have in common, against a plain count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from export.differences import BOUNDS, Differences
from fissura.metrics.counts import THRESHOLDS


@given(
    seed=st.integers(0, 10_000), level=st.integers(0, len(THRESHOLDS) - 1), spread=st.sampled_from([1e-6, 0.01, 0.5])
)
def test_masks_agree_as_a_plain_count_says(seed: int, level: int, spread: float) -> None:
    random = np.random.default_rng(seed)
    pairs = []
    differences = Differences()
    for shape in ((5, 7), (3, 4)):
        one = random.random(shape, np.float32)
        one.flat[0] = THRESHOLDS[level]  # at the threshold is crack
        other = (one + random.normal(0, spread, shape)).clip(0, 1).astype(np.float32)
        differences.add(one, other)
        pairs.append((one, other))
    summary, threshold = differences.summary(), float(THRESHOLDS[level])
    both = sum(int(((a >= THRESHOLDS[level]) & (b >= THRESHOLDS[level])).sum()) for a, b in pairs)
    either = sum(int(((a >= THRESHOLDS[level]) | (b >= THRESHOLDS[level])).sum()) for a, b in pairs)
    assert summary.mask_iou(round(threshold, 2)) == pytest.approx(both / either if either else 1)
    gaps = np.concatenate([np.abs(a - b).ravel() for a, b in pairs])
    assert summary.max_abs == gaps.max()
    assert summary.mean_abs == pytest.approx(gaps.mean(dtype=np.float64))
    assert summary.frames == 2


def test_each_difference_is_in_one_bin() -> None:
    differences = Differences()
    values: NDArray[np.float32] = np.array([[0, 5e-9, 2e-4, 0.3]], np.float32)
    differences.add(np.zeros_like(values), values)
    histogram = dict(zip(BOUNDS, differences.summary().histogram, strict=True))
    assert {bound: count for bound, count in histogram.items() if count} == {1e-8: 2, 1e-3: 1, 1.0: 1}


def test_sums_of_parts_are_the_whole() -> None:
    random = np.random.default_rng(0)
    whole, together = Differences(), Differences()
    for _ in range(3):
        one, other = random.random((2, 6, 8), np.float32)
        whole.add(one, other)
        part = Differences()
        part.add(one, other)
        together.add_all(part)
    found, expected = together.summary(), whole.summary()
    assert (found.frames, found.max_abs, found.histogram) == (3, expected.max_abs, expected.histogram)
    assert found.mean_abs == pytest.approx(expected.mean_abs)
    assert found.mask_iou(0.5) == expected.mask_iou(0.5)


def test_neither_finds_any() -> None:
    differences = Differences()
    differences.add(np.zeros((4, 4), np.float32), np.zeros((4, 4), np.float32))
    assert differences.summary().mask_iou(0.5) == 1


def test_images_have_no_masks() -> None:
    differences = Differences()
    differences.add(np.zeros((4, 4, 3), np.float32), np.full((4, 4, 3), 0.25, np.float32))
    summary = differences.summary()
    assert (summary.max_abs, summary.mean_abs, int(summary.either.sum())) == (0.25, 0.25, 0)
