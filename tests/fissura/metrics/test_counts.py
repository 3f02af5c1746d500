"""Thinned sweeps against another library's thinning, threshold by threshold."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.morphology import thin

from fissura.metrics.counts import SCALE, THRESHOLDS, count_thinned
from fissura.metrics.levels import ThresholdScale
from fissura.metrics.matching import Matching, match
from fissura.metrics.thinned import thinned
from tests.fissura.metrics.maps import Pair, crack, pairs, soft


@settings(max_examples=40, deadline=None)
@given(pairs())
def test_thinning_is_that_of_scikit_image(pair: Pair) -> None:
    for mask in (pair[0] >= 0.5, pair[1]):
        before = mask.copy()
        assert np.array_equal(thinned(mask), thin(mask))
        assert np.array_equal(mask, before)


@pytest.mark.parametrize("matching", get_args(Matching))
@settings(max_examples=15, deadline=None)
@given(pair=pairs(), radius=st.sampled_from([0.0, 1.0, 2.0, 3.7]))
def test_thinned_sweep_equals_its_definition(matching: Matching, pair: Pair, radius: float) -> None:
    probability, truth = pair
    counts = count_thinned(probability, truth, radius, matching)
    for index, threshold in enumerate(THRESHOLDS):
        judged = match(thin(probability >= threshold), truth, radius, matching)
        assert counts.predicted[index] == judged.predicted.sum()
        assert counts.matched_predicted[index] == judged.right.sum()
        assert counts.matched_crack[index] == judged.found.sum()
        assert counts.hit[index] == (judged.predicted & truth).sum()


def test_a_thinned_sweep_takes_other_thresholds() -> None:
    truth = crack(3)
    probability = soft(truth, 3)
    scale = ThresholdScale(np.array([0.25, 0.5], np.float32))
    few, many = count_thinned(probability, truth, 2.0, "disk", scale), count_thinned(probability, truth, 2.0, "disk")
    assert few.predicted.tolist() == many.predicted[[24, 49]].tolist()
    assert len(SCALE) == 99
