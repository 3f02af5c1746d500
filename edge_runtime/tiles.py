"""A graph on tiles of a frame, several at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_runtime.engines.engine import Engine
from fissura.bundle import Graph
from fissura.errors import ConfigError
from fissura.imaging.encode import Padding, encode
from fissura.imaging.images import RgbImage
from fissura.imaging.tiles import Tile, TileGrid, tile_grid


@dataclass(frozen=True)
class TiledFrame:
    """A frame as the graph would get it whole, and its tiles.

    Attributes:
        pixels: (H', W', 3) uint8, the padding included.
        padding: what was added.
        grid: of the padded frame.
    """

    pixels: RgbImage
    padding: Padding
    grid: TileGrid


@dataclass(frozen=True)
class TileCounts:
    """What became of a frame's tiles.

    Attributes:
        total: tiles of the frame.
        proposed: those in which the cheap pass suspects a crack.
        refined: those that had a second look.
    """

    total: int
    proposed: int
    refined: int

    @property
    def left_out(self) -> int:
        """Tiles that were proposed and had no time."""
        return self.proposed - self.refined


class TileRunner:
    """Runs a graph on tiles.

    Args:
        graph: what the manifest says.
        engine: runs it.
        core: side of a tile, camera pixels.
        halo: context to each side, camera pixels; None: what the graph needs for the exact result.
        batch: tiles at once, at most.

    Raises:
        ConfigError: without `halo`, a graph whose output depends on the whole frame.
    """

    def __init__(self, graph: Graph, engine: Engine, *, core: int, halo: int | None = None, batch: int = 1) -> None:
        needed = graph.halo if halo is None else halo
        if needed is None:
            raise ConfigError(
                f"graph {graph.file} depends on the whole frame: tiles cannot give the same",
                expected="a graph with a halo in the manifest",
                fix="give --halo and accept that the result differs, or run the whole frame",
            )
        self.graph = graph
        self.engine = engine
        self.core = core
        self.halo = needed
        self.batch = batch
        # As rows of pixels whatever the graph's layout: windows are cut out of it.
        self._rows = graph.input.model_copy(update={"layout": "NHWC"})

    def cut(self, image: RgbImage) -> TiledFrame:
        """Pad a frame (H, W, 3) uint8 RGB as the graph needs it, and cut it into tiles."""
        batch, padding = encode(image, self._rows)
        grid = tile_grid(
            padding.padded_height,
            padding.padded_width,
            core=self.core,
            halo=self.halo,
            multiple=self.graph.input.multiple,
        )
        return TiledFrame(batch[0], padding, grid)

    def run(
        self, frame: TiledFrame, tiles: Sequence[Tile], statistics: NDArray[np.float32] | None = None
    ) -> Iterator[tuple[Tile, NDArray[np.float32]]]:
        """What the graph gives in each of some tiles, the halo cut off.

        Args:
            frame: from `cut`.
            tiles: of its grid.
            statistics: (2, 3), for a graph that takes the whole frame's; see `fissura.bundle.Graph`.

        Yields:
            The tile and its (h*s, w*s) probabilities or (h*s, w*s, 3) colours; a view that is valid until the next.
        """
        scale, planar = self.graph.output.scale, self._output_is_planar()
        for first in range(0, len(tiles), self.batch):
            some = tiles[first : first + self.batch]
            output = self.engine.run(self._windows(frame, some), statistics)
            for tile, found in zip(some, output, strict=True):
                top, left = scale * (tile.top - tile.window_top), scale * (tile.left - tile.window_left)
                rows, columns = slice(top, top + scale * tile.height), slice(left, left + scale * tile.width)
                if self.graph.output.kind == "probability":
                    yield tile, found[0, rows, columns]
                else:
                    yield tile, found.transpose(1, 2, 0)[rows, columns] if planar else found[rows, columns]

    def _output_is_planar(self) -> bool:
        return self.graph.input.layout == "NCHW"

    def _windows(self, frame: TiledFrame, tiles: Sequence[Tile]) -> NDArray[np.uint8]:
        height, width = frame.grid.window_height, frame.grid.window_width
        windows = np.stack(
            [frame.pixels[t.window_top : t.window_top + height, t.window_left : t.window_left + width] for t in tiles]
        )
        if self.graph.input.layout == "NHWC":
            return windows
        return np.ascontiguousarray(windows.transpose(0, 3, 1, 2))
