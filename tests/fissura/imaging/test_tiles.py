"""Tiles cover a frame once, and their windows bring the context that they should."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fissura.errors import UsageError
from fissura.imaging.tiles import tile_grid, window_side

FRAMES = st.integers(1, 6).flatmap(
    lambda multiple: st.tuples(
        st.just(multiple),
        st.integers(1, 40).map(lambda n: n * multiple),
        st.integers(1, 40).map(lambda n: n * multiple),
        st.integers(1, 50),
        st.integers(0, 30),
    )
)


@given(FRAMES)
def test_tiles_cover_each_pixel_once(frame: tuple[int, int, int, int, int]) -> None:
    multiple, height, width, core, halo = frame
    grid = tile_grid(height, width, core=core, halo=halo, multiple=multiple)
    seen = np.zeros((height, width), int)
    for tile in grid.tiles:
        seen[tile.top : tile.top + tile.height, tile.left : tile.left + tile.width] += 1
    assert (seen == 1).all()
    assert len(grid.tiles) == grid.rows * grid.columns


@given(FRAMES)
def test_windows_lie_in_the_frame_on_the_strides_and_reach_as_far_as_the_halo(
    frame: tuple[int, int, int, int, int],
) -> None:
    multiple, height, width, core, halo = frame
    grid = tile_grid(height, width, core=core, halo=halo, multiple=multiple)
    assert grid.window_height % multiple == grid.window_width % multiple == 0
    for tile in grid.tiles:
        for side, window, start, first, size in (
            (height, grid.window_height, tile.window_top, tile.top, tile.height),
            (width, grid.window_width, tile.window_left, tile.left, tile.width),
        ):
            assert start % multiple == 0
            assert start >= 0
            assert start + window <= side
            assert start == 0 or first - start >= halo
            assert start + window == side or start + window - (first + size) >= halo


@pytest.mark.parametrize(
    ("height", "width", "core", "halo", "multiple"),
    [(8, 8, 0, 0, 1), (8, 8, 4, -1, 1), (9, 8, 4, 0, 2), (0, 8, 4, 0, 1)],
)
def test_what_cannot_be_cut_is_refused(height: int, width: int, core: int, halo: int, multiple: int) -> None:
    with pytest.raises(UsageError, match="tiles of"):
        tile_grid(height, width, core=core, halo=halo, multiple=multiple)


@given(st.integers(1, 200), st.integers(0, 80), st.sampled_from([1, 4, 8, 16, 32]))
def test_the_side_of_a_window_is_the_grid_s(core: int, halo: int, multiple: int) -> None:
    side = window_side(core, halo, multiple)
    grid = tile_grid(2 * side, side, core=core, halo=halo, multiple=multiple)
    assert (grid.window_height, grid.window_width) == (side, side)
