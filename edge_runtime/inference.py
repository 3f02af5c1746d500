"""From a bundle and a mode to what finds cracks in a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edge_runtime.budget import FrameBudget
from edge_runtime.cascade import Cascade
from edge_runtime.engines import open_engine
from edge_runtime.engines.engine import Engine
from edge_runtime.stages import StageTimes
from edge_runtime.step import Step
from edge_runtime.stored_graph import engine_class
from edge_runtime.tiled_frame import Tiled, WholeOrTiled, core_for
from edge_runtime.tiles import TileCounts, TileRunner
from edge_runtime.whole_frame import WholeFrame
from fissura.bundle import Bundle, Graph, Role, VariantName
from fissura.errors import BundleError, UsageError
from fissura.imaging.images import RgbImage
from fissura.imaging.tiles import window_side

Mode = Literal["full", "cascade", "lr-only", "fused", "sr+segmentation", "segmentation"]

# `full` is the first of these that the bundle has: the whole frame at full scale.
WHOLE: dict[Mode, tuple[Role, ...]] = {
    "fused": ("fused",),
    "segmentation": ("segmentation",),
    "sr+segmentation": ("super_resolution", "segmentation"),
}
PARTS: dict[Mode, tuple[Role, ...]] = {"cascade": ("proposal", "tile"), "lr-only": ("proposal",)}

CASCADE_TILE_PX = 64
CASCADE_HALO_PX = 16


class Inference(Protocol):
    """Finds the crack probability of camera frames.

    Attributes:
        mode: how, as messages state it.
        scale: probability pixels per camera pixel along each axis.
        threshold: a pixel at or above it is crack.
        low_threshold: of hysteresis; None: the threshold alone decides.
        temperature: of the confidences.
        engine: what runs the graphs, as messages state it.
        tiles: what became of the last frame's tiles; None where every part of the frame is treated alike.
        takes_batches: it is worth giving it several frames at once.
    """

    mode: str
    scale: int
    threshold: float
    low_threshold: float | None
    temperature: float
    engine: str
    tiles: TileCounts | None
    takes_batches: bool

    def run(self, image: RgbImage, times: StageTimes) -> NDArray[np.float32]:
        """The probability of a frame (H, W, 3) uint8 RGB: (H*scale, W*scale) float32, the caller's to keep.

        Raises:
            ImageError: the frame is larger than the graph takes.
            EngineError: an engine fails.
        """

    def run_batch(self, images: Sequence[RgbImage], times: StageTimes) -> list[NDArray[np.float32]]:
        """`run` for several frames of one size."""

    def close(self) -> None:
        """Let go of the engines."""


@dataclass(frozen=True)
class TileOptions:
    """How frames are cut.

    Attributes:
        core: side of a tile, camera pixels; None: 64 in `cascade`; in `full` no tiles, unless the frame is very large.
        halo: context to each side, camera pixels; None: what gives the exact result in `full`, 16 in `cascade`.
        batch: tiles at once, at most.
        proposal_threshold: of the cheap pass; None: the bundle's.
        budget: of a frame, in `cascade`; None: none.
    """

    core: int | None = None
    halo: int | None = None
    batch: int = 4
    proposal_threshold: float | None = None
    budget: FrameBudget | None = None


def open_inference(
    bundle: Bundle,
    mode: Mode | None,
    engine: str,
    options: dict[str, object],
    tiles: TileOptions = TileOptions(),
    precision: VariantName | None = None,
) -> Inference:
    """Load what a mode needs.

    Args:
        bundle: the model.
        mode: None is `full`.
        engine: kind of engine.
        options: of that engine.
        tiles: how frames are cut, and how much time they have.
        precision: of the graphs that the bundle has in it, the others stay fp32; None: all of them do.

    Raises:
        BundleError: the bundle lacks a graph of the mode, or all of them in that precision.
        UsageError: options that the mode does not have, or a precision that the engine does not run.
        ConfigError, EngineError: see `open_engine`.
    """
    chosen = _chosen(bundle, mode)
    _check(chosen, tiles)
    _check_precision(bundle, chosen, precision, engine)

    def at(role: Role) -> VariantName | None:
        return precision if precision in bundle.graph(role).variants else None

    def graph(role: Role) -> Graph:
        return bundle.graph(role, at(role))

    def load(role: Role, **more: object) -> Engine:
        return open_engine(engine, bundle.graph_path(role, at(role)), graph(role), {**options, **more})

    def runner(role: Role, core: int, halo: int | None, batch: int) -> TileRunner:
        own = graph(role)
        side = window_side(core, _given(halo, own.halo or 0), own.input.multiple)
        # What an engine that is built for one size has to know.
        known = engine_class(engine).config_class.model_fields
        sizes = {name: value for name, value in (("size", (side, side)), ("max_batch", batch)) if name in known}
        return TileRunner(own, load(role, **sizes), core=core, halo=halo, batch=batch)

    if chosen == "cascade":
        proposal = graph("proposal")
        low = tiles.proposal_threshold or proposal.proposal_threshold
        assert low is not None  # the manifest refuses a proposal without one
        cut = runner("tile", tiles.core or CASCADE_TILE_PX, _given(tiles.halo, CASCADE_HALO_PX), tiles.batch)
        return Cascade(Step("proposal", proposal, load("proposal")), cut, low, tiles.budget)
    if chosen == "lr-only":
        return WholeFrame(chosen, [Step("proposal", graph("proposal"), load("proposal"))])

    def tiled(core: int, batch: int) -> Tiled:
        enlarge = None
        if graph("tile").statistics is not None and "super_resolution" in bundle.manifest.graphs:
            enlarge = runner("super_resolution", core, None, 1)
        return Tiled(chosen, runner("tile", core, tiles.halo, batch), enlarge)

    if tiles.core is not None:
        if chosen != _chosen(bundle, "full"):
            raise UsageError(f"tiles in mode {chosen!r}", expected="--mode full or cascade", fix="leave out --tile")
        return tiled(tiles.core, tiles.batch)
    whole = WholeFrame(chosen, [Step(role, graph(role), load(role)) for role in WHOLE[chosen]])
    halo = graph("tile").halo if mode in (None, "full") and "tile" in bundle.manifest.graphs else None
    if halo is None:
        return whole
    return WholeOrTiled(whole, lambda: tiled(core_for(halo, whole.scale), batch=1))  # so large, they are no batch


def offered_modes(bundle: Bundle) -> list[Mode]:
    """The modes that a bundle's graphs allow."""
    held = bundle.manifest.graphs
    able = [mode for mode, roles in (WHOLE | PARTS).items() if all(role in held for role in roles)]
    return [*(["full"] if any(mode in WHOLE for mode in able) else []), *able]  # type: ignore[list-item]


def _chosen(bundle: Bundle, mode: Mode | None) -> Mode:
    wanted, offered = mode or "full", offered_modes(bundle)
    if wanted not in offered:
        raise BundleError(
            f"bundle {bundle.path} cannot run in mode {wanted!r}: it holds {', '.join(sorted(bundle.manifest.graphs))}",
            expected=f"--mode {' or '.join(offered)}" if offered else "a graph 'fused' or 'segmentation'",
            fix="export the bundle again" + (" with --proposal" if wanted in PARTS else ""),
        )
    if wanted != "full":
        return wanted
    return next(name for name in WHOLE if name in offered)


def _check(mode: Mode, tiles: TileOptions) -> None:
    if tiles.budget is not None and mode != "cascade":
        raise UsageError(f"a budget in mode {mode!r}", expected="--mode cascade: the others cannot leave work out")
    if tiles.proposal_threshold is not None and mode != "cascade":
        raise UsageError(f"a proposal threshold in mode {mode!r}", expected="--mode cascade")
    if tiles.halo is not None and tiles.core is None and mode != "cascade":
        raise UsageError(f"a halo without tiles in mode {mode!r}", expected="--tile, or --mode cascade")
    if mode == "lr-only" and tiles.core is not None:
        raise UsageError(f"tiles in mode {mode!r}", expected="--mode full or cascade", fix="leave out --tile")


def _check_precision(bundle: Bundle, mode: Mode, precision: VariantName | None, engine: str) -> None:
    if precision is None:
        return
    able = engine_class(engine).variants
    if precision not in able:
        raise UsageError(
            f"engine {engine} does not run {precision}, or runs it wrongly",
            expected=f"--precision {' or '.join(['fp32', *sorted(able)])}",
            fix="choose another precision, or another engine",
        )
    roles = (WHOLE | PARTS)[mode]
    if any(precision in bundle.graph(role).variants for role in roles):
        return
    held = {name: None for role in roles for name in bundle.graph(role).variants}
    raise BundleError(
        f"bundle {bundle.path} has no graph in {precision} for mode {mode!r}",
        expected=f"--precision {' or '.join(['fp32', *held])}",
        fix=f"export the bundle again with --precision {precision}",
    )


def _given(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value
