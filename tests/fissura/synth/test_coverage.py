from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fissura.synth.coverage import cover, mask_of
from fissura.synth.crack import Trace
from fissura.synth.noise import Field


def coverage_of(trace: Trace, height: int, width: int) -> Field:
    coverage = np.zeros((height, width), np.float32)
    cover(coverage, trace)
    return coverage


def straight(centre: tuple[float, float], angle: float, length: float, left: float, right: float) -> Trace:
    along = np.linspace(-length / 2, length / 2, 41)[:, None] * (math.cos(angle), math.sin(angle))
    return Trace(along + centre, np.full(41, left), np.full(41, right))


@pytest.mark.parametrize(("width", "y"), [(0.6, 20.0), (1.0, 20.0), (3.0, 20.5), (2.5, 20.25)])
def test_along_an_axis_it_is_exact(width: float, y: float) -> None:
    coverage = coverage_of(straight((20.0, y), 0.0, 20.0, width / 2, width / 2), 40, 40)
    rows = np.arange(40)
    expected = np.clip(np.minimum(rows + 0.5, y + width / 2) - np.maximum(rows - 0.5, y - width / 2), 0, 1)
    assert coverage[:, 20] == pytest.approx(expected, abs=1e-6)
    # From x = 10 to x = 30: the pixels at the two ends are covered by half.
    assert coverage[:, 10] == pytest.approx(expected / 2, abs=1e-6)
    assert not coverage[:, :10].any()


@settings(max_examples=60, deadline=None)
@given(
    angle=st.floats(0, 2 * math.pi),
    left=st.floats(0.3, 4),
    right=st.floats(0.3, 4),
    x=st.floats(30, 31),
    y=st.floats(30, 31),
)
def test_area_at_any_angle(angle: float, left: float, right: float, x: float, y: float) -> None:
    coverage = coverage_of(straight((x, y), angle, 30.0, left, right), 64, 64)
    assert coverage.sum() == pytest.approx(30 * (left + right), rel=0.01)
    assert coverage.min() >= 0
    assert coverage.max() <= 1


def test_left_is_where_y_grows_for_a_line_along_x() -> None:
    coverage = coverage_of(straight((20.0, 20.0), 0.0, 20.0, 3.5, 0.5), 40, 40)
    assert coverage[19:25, 20].tolist() == [0, 1, 1, 1, 1, 0]


def test_a_hairline_has_a_mask_one_pixel_wide() -> None:
    trace = straight((20.0, 20.0), 0.3, 30.0, 0.1, 0.1)
    coverage = coverage_of(trace, 40, 40)
    assert coverage.max() < 0.5
    mask = mask_of(coverage, [trace])
    assert set(mask.sum(axis=0)[8:32]) <= {1, 2}


def test_what_lies_outside_the_frame_covers_nothing() -> None:
    trace = straight((200.0, 20.0), 0.0, 30.0, 3, 3)
    assert not coverage_of(trace, 40, 40).any()
    assert not mask_of(np.zeros((40, 40), np.float32), [trace]).any()
