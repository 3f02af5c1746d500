from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.special import expit, logit

from fissura.imaging.temperature import tempered

probabilities = arrays(np.float32, st.integers(1, 30), elements=st.floats(0, 1, width=32))
temperatures = st.floats(0.01, 100)


@given(probability=probabilities)
def test_temperature_one_changes_nothing(probability: NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(tempered(probability, 1.0), probability)


@settings(deadline=None)
@given(probability=probabilities, temperature=temperatures)
def test_keeps_the_order_the_range_and_what_is_certain(probability: NDArray[np.float32], temperature: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = tempered(np.sort(probability), temperature)
        fixed = tempered(np.array([0, 0.5, 1], np.float32), temperature)
    assert (np.diff(found) >= 0).all() and found.min() >= 0 and found.max() <= 1
    np.testing.assert_array_equal(fixed, [0, 0.5, 1])


@settings(deadline=None)
@given(probability=probabilities, temperature=st.floats(0.1, 10))
def test_divides_the_log_odds_and_is_undone_by_the_inverse(
    probability: NDArray[np.float32], temperature: float
) -> None:
    inner = np.clip(probability.astype(np.float64), 0.01, 0.99)
    found = tempered(inner, temperature)
    np.testing.assert_allclose(found, expit(logit(inner) / temperature), rtol=1e-9)
    if temperature > 1:
        np.testing.assert_allclose(tempered(found, 1 / temperature), inner, rtol=1e-6)


def test_what_lies_outside_is_clipped() -> None:
    assert tempered(np.array([-0.1, 1.1]), 2.0) == pytest.approx([0, 1])
