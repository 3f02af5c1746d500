"""Levels by table equal a comparison with each threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fissura.metrics.counts import THRESHOLDS
from fissura.metrics.levels import ThresholdScale, at_or_above

SCALES = {
    "hundredths": THRESHOLDS,
    "nearly 0 to nearly 1": np.linspace(0.0001, 0.9999, 99, dtype=np.float32),
    "one": np.array([0.5], np.float32),
    "the ends": np.array([1e-30, 1.0], np.float32),
}


@pytest.mark.parametrize("name", SCALES)
@given(seed=st.integers(0, 2**32))
def test_levels_equal_the_comparisons(name: str, seed: int) -> None:
    thresholds = SCALES[name]
    generator = np.random.default_rng(seed)
    close = np.concatenate(
        [thresholds, np.nextafter(thresholds, np.float32(0)), np.nextafter(thresholds, np.float32(1))]
    )
    values = np.concatenate([close, generator.random(50, dtype=np.float32), np.array([0, 1], np.float32)])[None]
    compared = (values[..., None] >= thresholds).sum(axis=-1)
    scale = ThresholdScale(thresholds)
    levels = scale.levels(values)
    assert np.array_equal(levels, compared)
    predicted = [(values >= threshold).sum() for threshold in thresholds]
    assert at_or_above(levels.reshape(-1), len(scale)).tolist() == predicted
