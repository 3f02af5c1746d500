"""Where the cheap pass sends the second look."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edge_runtime.proposal import by_gain, expected_gains, rescaled
from fissura.imaging.tiles import tile_grid

PROBABILITIES = hnp.arrays(np.float32, (5, 7), elements=st.floats(0, 1, width=32))
THRESHOLDS = st.floats(0.05, 0.95)


@given(PROBABILITIES, THRESHOLDS, THRESHOLDS)
def test_rescaling_keeps_order_ends_and_decisions(probability: np.ndarray, threshold: float, to: float) -> None:  # type: ignore[type-arg]
    found = rescaled(probability, threshold, to)
    order = np.argsort(probability, axis=None, kind="stable")
    assert (np.diff(found.ravel()[order]) >= -1e-6).all()
    assert found.min() >= -1e-6
    assert found.max() <= 1 + 1e-6
    clear = np.abs(probability - threshold) > 1e-5
    assert ((found >= to - 1e-6) == (probability >= threshold))[clear].all()


def test_sure_and_long_goes_first_and_background_not_at_all() -> None:
    grid = tile_grid(20, 30, core=10, halo=0)
    low = np.full((20, 30), 0.01, np.float32)
    low[5, 2:8] = 0.5  # uncertain
    low[5, 12:18] = 0.99  # sure
    low[11:16, 25] = 0.5  # short
    low[15:18, 12] = 0.5  # too short
    gains = expected_gains(low, threshold=0.5, proposal_threshold=0.1, grid=grid)
    assert list(by_gain(gains)) == [1, 0, 5]
    assert gains[0, 0] == 6 * 0.25
    assert np.isclose(gains[0, 1], 6 * 0.99**2)


@given(PROBABILITIES, THRESHOLDS)
def test_a_lower_threshold_proposes_more(probability: np.ndarray, threshold: float) -> None:  # type: ignore[type-arg]
    grid = tile_grid(8, 8, core=4, halo=0)  # reaches beyond the map, as padding does
    some, more = (
        set(by_gain(expected_gains(probability, 0.5, low, grid)).tolist()) for low in (threshold, threshold / 2)
    )
    assert some <= more
