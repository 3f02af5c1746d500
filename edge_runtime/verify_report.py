"""What `fissura verify` found, for programs and for people."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edge_runtime.engine_options import EngineOptions
from edge_runtime.inference import WHOLE
from edge_runtime.probe import processor
from edge_runtime.proof import Row
from fissura.bundle import Bundle, Role
from fissura.table import format_table

FP32 = "fp32"


@dataclass(frozen=True)
class Verification:
    """What was verified, and what came of it.

    Attributes:
        bundle: the model.
        size: width and height of the camera frame, pixels.
        frames: that latency was measured on.
        threads: of the engines; None: their default.
        options: more of the engines, by kind.
        rows: graph by graph, engine by engine.
        unavailable: engines that this device does not have, with the reason.
        passed: whether all is right.
    """

    bundle: Bundle
    size: tuple[int, int]
    frames: int
    threads: int | None
    options: EngineOptions
    rows: Sequence[Row]
    unavailable: Mapping[str, str]
    passed: bool

    @property
    def role(self) -> Role:
        """The graph that decides what mode `full` finds."""
        held = self.bundle.manifest.graphs
        return next((roles[-1] for roles in WHOLE.values() if roles[-1] in held), next(iter(held)))

    @property
    def fastest(self) -> Row | None:
        """The row of that graph that passed with the lowest median latency."""
        able = [row for row in self.rows if row.role == self.role and row.passed]
        return min(able, key=lambda row: row.latency_ms["p50"], default=None)


def as_dictionary(found: Verification) -> dict[str, Any]:
    """For JSON; what is not a number is null."""
    best = found.fastest
    document = {
        "passed": found.passed,
        "bundle": found.bundle.manifest.name,
        "bundle_id": found.bundle.id,
        "processor": processor(),
        "python": platform.python_version(),
        "frame_px": list(found.size),
        "frames": found.frames,
        "threads": found.threads,
        "engine_options": found.options,
        "unavailable": dict(found.unavailable),
        "fastest": None if best is None else {"role": best.role, "engine": best.engine, "variant": _precision(best)},
        "rows": [_row(row) for row in found.rows],
    }
    checked: dict[str, Any] = _numbers_only(document)
    return checked


def as_text(found: Verification) -> str:
    """A table, what is wrong, what is not there, and the verdict in one line."""
    width, height = found.size
    lines = [
        f"{found.bundle.manifest.name}, id {found.bundle.id[:16]}..., camera frame {width}x{height}, "
        f"{found.frames} frames a row, {processor()}",
        "",
        _table(found.rows),
        "",
    ]
    lines += [f"{row.role}, {row.engine} {_precision(row)}: {text}" for row in found.rows for text in row.problems]
    lines += [f"not here: {engine}: {reason}" for engine, reason in found.unavailable.items()]
    return "\n".join([*lines, _verdict(found)])


def _precision(row: Row) -> str:
    return row.variant or FP32


def _row(row: Row) -> dict[str, Any]:
    golden = row.golden
    return {
        "role": row.role,
        "engine": row.engine,
        "variant": _precision(row),
        "name": row.name,
        "passed": row.passed,
        "problems": list(row.problems),
        "golden": golden
        and {
            "frames": golden.frames,
            "max_abs": golden.max_abs,
            "mean_abs": golden.mean_abs,
            "tolerance": golden.tolerance.model_dump(),
        },
        "on_golden": row.on_golden and asdict(row.on_golden),
        "on_camera": row.on_camera and asdict(row.on_camera),
        "latency_ms": row.latency_ms,
    }


def _numbers_only(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _numbers_only(nested) for key, nested in value.items()}
    if isinstance(value, list | tuple):
        return [_numbers_only(nested) for nested in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _table(rows: Sequence[Row]) -> str:
    cells = []
    for row in rows:
        start = (row.role, row.engine, _precision(row))
        if row.golden is None or row.on_camera is None:
            cells.append((*start, *[""] * 8, "FAILED"))
            continue
        camera = row.on_camera
        cells.append(
            (
                *start,
                f"{row.golden.max_abs:.4f}",
                f"{row.golden.tolerance.max_abs:.4f}",
                f"{camera.max_abs:.1e}",
                f"{camera.mean_abs:.1e}",
                "" if camera.mask_iou is None else f"{camera.mask_iou:.3f}",
                *(f"{row.latency_ms[name]:.2f}" for name in ("p50", "p90", "p99")),
                "ok" if row.passed else "FAILED",
            )
        )
    header = ("graph", "engine", "precision", "golden max", "allowed", "camera max", "mean", "mask IoU")
    return format_table((*header, "p50 ms", "p90", "p99", ""), cells, right=range(3, 11))


def _verdict(found: Verification) -> str:
    """One line: may this device run this bundle?"""
    best, failed, count = found.fastest, sum(not row.passed for row in found.rows), len(found.rows)
    quickest = ""
    if best is not None:
        quickest = f"; fastest of {best.role}: {best.engine} {_precision(best)}, {best.latency_ms['p50']:.1f} ms"
    if found.passed:
        return f"ok: this device may run this bundle{quickest}"
    if failed and best is None:
        return f"FAILED: this device must not run this bundle: {failed} of {count} rows fail"
    if failed:
        return f"FAILED: this device must not run {failed} of {count} rows; it may run the others{quickest}"
    return f"FAILED: an engine that was asked for is not here{quickest}"
