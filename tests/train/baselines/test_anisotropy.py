"""Free-form anisotropy against scikit-image's minimal paths and against all paths."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.graph import MCP

from train.baselines.anisotropy import DIRECTIONS, Anisotropy, Steps, path_cost


def noise(seed: int, height: int, width: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(0.1, 1, (height, width)).astype(np.float32)


def cheapest(brightness: NDArray[np.float32], row: int, column: int, steps: Steps, reach: int) -> float:
    """Cheapest sum of a side, without its start, by trying all paths."""
    best = np.inf
    for path in product(steps, repeat=reach):
        places = np.array([row, column]) + np.cumsum(path, axis=0)
        best = min(best, float(sum(brightness[y, x] for y, x in places)))
    return best


@given(seed=st.integers(0, 1000), direction=st.sampled_from(sorted(DIRECTIONS)), reach=st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_is_the_cheapest_of_all_paths(seed: int, direction: str, reach: int) -> None:
    brightness, steps = noise(seed, 9, 9), DIRECTIONS[direction]
    back = tuple((-y, -x) for y, x in steps)
    sides = cheapest(brightness, 4, 4, steps, reach) + cheapest(brightness, 4, 4, back, reach)
    expected = (brightness[4, 4] + sides) / (2 * reach + 1)
    assert path_cost(brightness, steps, reach)[4, 4] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("direction", "axis"), [("horizontal", 1), ("vertical", 0)])
def test_agrees_with_minimal_cost_paths_of_scikit_image(direction: str, axis: int) -> None:
    brightness, reach, centre = noise(3, 41, 41), 12, 20
    steps = DIRECTIONS[direction]
    total = float(brightness[centre, centre])
    for sign in (1, -1):
        search = MCP(brightness.astype(np.float64), offsets=[(sign * y, sign * x) for y, x in steps])
        costs, _ = search.find_costs([(centre, centre)])
        # Along an axis each step moves on by one, so a path of 12 steps ends 12 pixels away.
        total += costs.take(centre + sign * reach, axis=axis).min() - brightness[centre, centre]
    expected = total / (2 * reach + 1)
    assert path_cost(brightness, steps, reach)[centre, centre] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("angle", [0, 45, 90, 135])
def test_a_line_stands_out_in_every_direction(angle: int) -> None:
    rows, columns = np.mgrid[-30:31, -30:31]
    across = rows * np.cos(np.deg2rad(angle)) - columns * np.sin(np.deg2rad(angle))
    grey = np.where(np.abs(across) < 1.5, 60, 160).astype(np.uint8)
    score = Anisotropy().score(np.dstack([grey] * 3))
    assert score[30, 30] > 0.7
    assert score[np.abs(across) > 20].max() < 0.05


def test_an_even_slope_is_isotropic_along_and_across() -> None:
    grey = np.tile(np.linspace(60, 200, 80).astype(np.uint8), (80, 1))
    assert Anisotropy().score(np.dstack([grey] * 3))[20:60, 20:60].max() < 0.7
