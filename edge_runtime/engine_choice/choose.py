"""The choice itself: from the cache, or by trying every candidate."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.engine_choice.cache import Stored, find, keep, key_of
from edge_runtime.engine_choice.candidate import REFERENCE, candidates
from edge_runtime.engine_choice.request import Request, roles_of
from edge_runtime.engine_choice.turns import Row, take_turns
from edge_runtime.golden import FILE, golden_of
from edge_runtime.inference import Mode, TileOptions
from fissura.bundle import Bundle, VariantName
from fissura.errors import EngineError
from fissura.table import format_table

logger = logging.getLogger(__name__)

WHOLE_FRAMES = TileOptions()


@dataclass(frozen=True)
class EngineChoice:
    """The engine to run with.

    Attributes:
        kind: a row of `ENGINES`.
        options: for `open_inference`, the threads among them.
        reason: why this one.
        rows: what became of every candidate; none where there was nothing to choose.
        from_cache: it was measured at an earlier start.
    """

    kind: str
    options: dict[str, object]
    reason: str
    rows: tuple[Row, ...]
    from_cache: bool


def choose_engine(
    bundle: Bundle,
    mode: Mode | None,
    precision: VariantName | None,
    size: tuple[int, int],
    threads: int,
    *,
    tiles: TileOptions = WHOLE_FRAMES,
    cache: Path | None,
    anew: bool = False,
) -> EngineChoice:
    """Find the fastest engine of this device that computes what the bundle's golden frames say.

    Without golden frames nothing proves an engine: ONNX Runtime on the CPU, which exported the bundle, is taken.

    Args:
        bundle: the model.
        mode: how it will run; None is `full`.
        precision: of the graphs that the bundle has in it; None: fp32. Engines that compute in less than that are
            candidates too, and pass or fail by the same tolerance.
        size: width and height of the camera frame, pixels.
        threads: of one inference; 0: all cores.
        tiles: how frames will be cut; a budget among them is ignored.
        cache: folder of earlier choices (`default_folder`); None: always try, and keep nothing.
        anew: try although there is an earlier choice, which is replaced: for one that no longer opens.

    Raises:
        BundleError: the bundle lacks a graph of the mode, or its golden frames cannot be read.
        EngineError: no candidate passes; the message has every reason.
    """
    unproven = _unproven(bundle, mode)
    if unproven:
        reason = f"{unproven}: nothing proves another engine than ONNX Runtime on the CPU"
        logger.warning("engine auto: %s", reason)
        return EngineChoice(REFERENCE, {"threads": threads}, reason, (), from_cache=False)
    request = Request(
        bundle=bundle.path.resolve(),
        mode=mode,
        precision=precision,
        size=size,
        threads=threads,
        core=tiles.core,
        halo=tiles.halo,
        batch=tiles.batch,
        proposal_threshold=tiles.proposal_threshold,
    )
    key = key_of(bundle.id, request)
    stored = find(cache, key) if cache is not None and not anew else None
    from_cache = stored is not None
    if stored is None:
        rows = take_turns(candidates(), request)
        stored = Stored(key=key, chosen=_fastest(rows), rows=rows)
        if cache is not None:
            keep(cache, stored)
    choice = _choice(stored, threads, from_cache)
    logger.info("engine auto: %s\n%s", choice.reason, as_text(choice.rows))
    return choice


def as_text(rows: Sequence[Row]) -> str:
    """The candidates for a person, the fastest first."""
    ordered = sorted(rows, key=lambda row: (row.ms is None, row.ms))
    cells = [
        (row.candidate.label, "-" if row.ms is None else f"{row.ms:.2f}", row.problem or "passed") for row in ordered
    ]
    return format_table(("candidate", "ms a frame", "golden frames"), cells, right=(1,))


def _unproven(bundle: Bundle, mode: Mode | None) -> str:
    """What is missing of the golden frames; empty: nothing."""
    roles = roles_of(bundle, mode)
    if FILE not in bundle.manifest.files:
        return f"bundle {bundle.manifest.name} has no golden frames"
    held = {entry.role for entry in golden_of(bundle).frames}
    missing = [role for role in roles if role not in held]
    return f"bundle {bundle.manifest.name} has no golden frames of graph {', '.join(missing)}" if missing else ""


def _fastest(rows: Sequence[Row]) -> Row:
    passed = [row for row in rows if row.ms is not None]
    if not passed:
        raise EngineError(
            "no engine of this device runs this bundle rightly: "
            + "; ".join(f"{row.candidate.label}: {row.problem}" for row in rows),
            expected="one that passes the bundle's golden frames",
            fix="fetch the bundle again, install another engine, or name one with --engine",
        )
    return min(passed, key=lambda row: row.ms or 0.0)


def _choice(stored: Stored, threads: int, from_cache: bool) -> EngineChoice:
    chosen = stored.chosen
    others = [row for row in stored.rows if row.ms is not None and row.candidate != chosen.candidate]
    beside = ", ".join(f"{row.candidate.label} {row.ms:.2f} ms" for row in others) or "no other engine passes here"
    when = "measured at an earlier start" if from_cache else "measured now"
    reason = f"{chosen.candidate.label} {chosen.ms:.2f} ms a frame ({beside}; {when})"
    options = {"threads": threads, **chosen.candidate.options}
    return EngineChoice(chosen.candidate.kind, options, reason, tuple(stored.rows), from_cache)
