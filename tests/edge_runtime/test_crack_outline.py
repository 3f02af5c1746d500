from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.crack_outline import LEAST_POINTS, MOST_POINTS, Outline
from tests.edge_runtime.test_tracker import crack


@given(length=st.floats(10, 140), spacing=st.floats(0.5, 40), upright=st.booleans())
def test_points_are_even_on_the_polygon_and_neither_few_nor_many(length: float, spacing: float, upright: bool) -> None:
    found = crack(4, 5, min(length, 100) if upright else length, upright=upright)
    outline = Outline.of(found.crack, spacing)
    assert LEAST_POINTS <= len(outline.points) <= MOST_POINTS
    left, top, width, height = found.crack.bbox_px
    x, y = outline.points.T - [[left], [top]]
    assert np.minimum(np.minimum(abs(x), abs(x - width)), np.minimum(abs(y), abs(y - height))).max() < 1e-9
    steps = np.hypot(*(outline.points - np.roll(outline.points, 1, axis=0)).T)
    around = 2 * (width + height) / len(outline.points)
    assert steps.max() <= around + 1e-9  # a corner is cut, so that none is longer


def test_what_leaves_the_view_is_gone() -> None:
    outline = Outline.of(crack(20, 10, 40).crack, 2.0)
    up = np.array([[1, 0, 0.0], [0, 1, -11.0], [0, 0, 1]])
    half = outline.moved(up, (120, 160))
    assert half.points[:, 1].max() == pytest.approx(1.0) and half.points[:, 1].min() >= -0.5
    assert 0.4 < len(half.points) / len(outline.points) < 0.6
    assert len(half.moved(up, (120, 160)).points) == 0
