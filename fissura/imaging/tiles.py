"""A large frame as a grid of tiles, each seen through a window that brings the network's context with it.

All windows of a frame have one size, so that they can be batched. Where the frame ends, the window is moved inwards
instead of being cut: its edge then is the frame's edge, as in the whole frame, and the other side has more context
than it needs. A network that depends on at most `halo` pixels to each side, and whose grid of strides has the period
`multiple`, therefore gives in the tiles exactly what it gives on the whole frame.
"""

from __future__ import annotations

from dataclasses import dataclass

from fissura.errors import UsageError


@dataclass(frozen=True)
class Tile:
    """A part of a frame, pixels.

    Attributes:
        top, left: first row and column of the tile.
        height, width: of the tile; the last ones of a row or column may be smaller.
        window_top, window_left: first row and column of its window.
    """

    top: int
    left: int
    height: int
    width: int
    window_top: int
    window_left: int


@dataclass(frozen=True)
class TileGrid:
    """The tiles of a frame, row by row. They cover each of its pixels once.

    Attributes:
        height, width: of the frame, pixels.
        core: side of a tile, pixels.
        rows, columns: number of tiles.
        window_height, window_width: of every window, pixels.
        tiles: `rows` * `columns`.
    """

    height: int
    width: int
    core: int
    rows: int
    columns: int
    window_height: int
    window_width: int
    tiles: tuple[Tile, ...]


def window_side(core: int, halo: int, multiple: int) -> int:
    """Side of the window of a tile in a frame that is larger than it, pixels; arguments as for `tile_grid`.

    Example:
        >>> window_side(96, 20, 16)
        160
    """
    return _rounded_up(core, multiple) + 2 * _rounded_up(halo, multiple)


def _rounded_up(pixels: int, multiple: int) -> int:
    return -(-pixels // multiple) * multiple


def tile_grid(height: int, width: int, *, core: int, halo: int, multiple: int = 1) -> TileGrid:
    """Cut a frame into tiles.

    Args:
        height, width: of the frame as the graph would get it whole, multiples of `multiple`.
        core: side of a tile, pixels; rounded up to a multiple.
        halo: context to each side, pixels; rounded up to a multiple.
        multiple: what the graph's input must be a multiple of.

    Raises:
        UsageError: sides that are no multiples, or a tile without pixels.

    Example:
        >>> grid = tile_grid(8, 16, core=8, halo=2)
        >>> [(tile.left, tile.window_left) for tile in grid.tiles], grid.window_width
        ([(0, 0), (8, 4)], 12)
    """
    if core < 1 or halo < 0 or height < 1 or width < 1 or height % multiple or width % multiple:
        raise UsageError(
            f"tiles of {core} pixels with a halo of {halo} in a frame of {width}x{height}",
            expected=f"a tile of at least one pixel, a halo of at least none, sides that are multiples of {multiple}",
        )
    window = window_side(core, halo, multiple)
    core, halo = _rounded_up(core, multiple), _rounded_up(halo, multiple)
    window_height, window_width = (min(window, side) for side in (height, width))
    tiles = tuple(
        Tile(
            top,
            left,
            min(core, height - top),
            min(core, width - left),
            _origin(top - halo, height - window_height),
            _origin(left - halo, width - window_width),
        )
        for top in range(0, height, core)
        for left in range(0, width, core)
    )
    return TileGrid(height, width, core, -(-height // core), -(-width // core), window_height, window_width, tiles)


def _origin(wanted: int, last: int) -> int:
    return max(0, min(wanted, last))
