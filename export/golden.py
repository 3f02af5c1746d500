"""Making the golden frames of a bundle; what they are and how they are checked: `edge_runtime.golden`.

The frames are synthetic, since bundles are passed on and most photographs may not be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from edge_runtime.golden import LEVELS, GoldenFrame, GoldenFrames, golden_difference
from edge_runtime.stored_graph import Run
from export.onnx import ExportedGraph
from export.pavement import pavement
from export.vehicle import running
from fissura.bundle import Role, Tolerance
from fissura.errors import ExportError

# Half a step is lost to the 8 bits; the other half is for another processor's rounding.
TOLERANCE = 1 / LEVELS
HEIGHT, WIDTH = 160, 192  # of the output, about; the whole file stays below a megabyte
# A graph of lower precision is off by its own rounding already, and another engine rounds other values up than this
# one: MARGIN times the measured difference passes, and a slack for what 8 bits lose and another processor rounds
# differently. ONNX Runtime and OpenVINO on the same INT8 U-Nets: largest differences 0.20 and 0.21, mean ones 0.0019
# both; an engine that computed one of them wrongly was off by 0.59 and 0.09.
MARGIN = 1.5
MAX_SLACK, MEAN_SLACK = TOLERANCE, TOLERANCE / 4
FIGURES = 1e4  # tolerances are rounded up to so many parts of one


def make_golden(graphs: Sequence[ExportedGraph], count: int) -> GoldenFrames:
    """Run each fp32 graph on `count` synthetic frames, every second of which has odd sides."""
    frames = []
    for graph in graphs:
        with running(graph) as run:
            for index in range(count):
                odd = index % 2
                frame = pavement(index, HEIGHT // graph.output.scale - odd, WIDTH // graph.output.scale - odd)
                frames.append(GoldenFrame(graph.role, frame, _quantised(run(frame))))
    return GoldenFrames(tuple(frames), TOLERANCE)


def measure_tolerance(graph: ExportedGraph, golden: GoldenFrames, run: Run) -> Tolerance:
    """How far any engine may be from a graph's golden frames at lower precision: measured here, with a margin.

    Args:
        graph: at lower precision.
        golden: the frames, with what the fp32 graph gives.
        run: the graph in the vehicle's engine.

    Raises:
        ExportError: the graph gives what is no number.
        EngineError, ModelShapeError: the engine cannot run a frame, or gives another size.
    """
    max_abs, mean_abs = golden_difference(golden.of(graph.role), run)
    if not math.isfinite(max_abs):
        raise ExportError(f"{graph.file} gives what is no number on a golden frame", expected="0 to 1")
    return Tolerance(max_abs=_with_margin(max_abs, MAX_SLACK), mean_abs=_with_margin(mean_abs, MEAN_SLACK))


def write_golden(path: Path, golden: GoldenFrames) -> None:
    """Write `golden.npz`; equal frames give equal bytes (numpy dates every entry 1980-01-01)."""
    arrays: dict[str, NDArray[np.generic]] = {"tolerance": np.array(golden.tolerance)}
    numbers = dict.fromkeys(get_args(Role), 0)
    for entry in golden.frames:
        prefix = f"{entry.role}/{numbers[entry.role]}"
        numbers[entry.role] += 1
        arrays[f"{prefix}/frame"] = entry.frame
        arrays[f"{prefix}/output"] = entry.output
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]  # the stubs see allow_pickle among the arrays


def _quantised(output: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(output * LEVELS).astype(np.uint8)


def _with_margin(measured: float, slack: float) -> float:
    return min(1.0, math.ceil((MARGIN * measured + slack) * FIGURES) / FIGURES)
