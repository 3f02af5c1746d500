"""Golden frames: inputs with the outputs that the exported graphs gave, to prove an engine wherever the bundle goes.

`golden.npz` holds, for each graph and number, ``ROLE/NUMBER/frame`` (H, W, 3) uint8 and ``ROLE/NUMBER/output`` uint8
(the output in steps of 1/255), and one ``tolerance``: the largest difference from ``output / 255`` that passes.
The frames are synthetic, since bundles are passed on and most photographs may not be.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from export.onnx import ExportedGraph
from export.pavement import pavement
from export.vehicle import Run, running, running_stored
from fissura.bundle import Bundle, Role
from fissura.errors import BundleError, ExportError
from fissura.imaging.images import RgbImage

FILE = "golden.npz"
# Half a step is lost to the 8 bits; the other half is for another processor's rounding.
TOLERANCE = 1 / 255
HEIGHT, WIDTH = 160, 192  # of the output, about; the whole file stays below a megabyte


@dataclass(frozen=True)
class GoldenFrame:
    """A frame and what a graph gives for it, in steps of 1/255."""

    role: Role
    frame: RgbImage
    output: NDArray[np.uint8]


@dataclass(frozen=True)
class GoldenFrames:
    """The content of `golden.npz`."""

    frames: tuple[GoldenFrame, ...]
    tolerance: float


def make_golden(graphs: Sequence[ExportedGraph], count: int) -> GoldenFrames:
    """Run each graph on `count` synthetic frames, every second of which has odd sides."""
    frames = []
    for graph in graphs:
        with running(graph) as run:
            for index in range(count):
                odd = index % 2
                frame = pavement(index, HEIGHT // graph.output.scale - odd, WIDTH // graph.output.scale - odd)
                frames.append(GoldenFrame(graph.role, frame, _quantised(run(frame))))
    return GoldenFrames(tuple(frames), TOLERANCE)


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


def read_golden(path: Path) -> GoldenFrames:
    """Read `golden.npz`.

    Raises:
        BundleError: it is missing or damaged.
    """
    try:
        if not zipfile.is_zipfile(path):  # what numpy makes of other files depends on their first bytes
            raise zipfile.BadZipFile("it is missing, or no npz file")
        with np.load(path, allow_pickle=False) as arrays:
            prefixes = sorted(name.removesuffix("/frame") for name in arrays.files if name.endswith("/frame"))
            frames = tuple(
                GoldenFrame(_role(prefix), arrays[f"{prefix}/frame"], arrays[f"{prefix}/output"]) for prefix in prefixes
            )
            return GoldenFrames(frames, float(arrays["tolerance"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise BundleError(f"golden frames {path} cannot be read: {error}", fix="fetch the bundle again") from error


def check_golden(bundle: Bundle) -> dict[Role, float]:
    """Run a bundle's golden frames through the vehicle's engine.

    Returns:
        The largest difference of each graph.

    Raises:
        BundleError: the bundle has no golden frames.
        EngineError: the engine cannot load or run a graph.
        ExportError: a graph gives something else than when it was exported.
    """
    golden = read_golden(bundle.path / FILE)
    runs: dict[Role, Run] = {}
    worst: dict[Role, float] = {}
    with ExitStack() as stack:
        for number, entry in enumerate(golden.frames):
            if entry.role not in runs:
                runs[entry.role] = stack.enter_context(running_stored(bundle, entry.role))
            difference = _difference(number, entry, runs[entry.role](entry.frame), golden.tolerance)
            worst[entry.role] = max(worst.get(entry.role, 0.0), difference)
    return worst


def _difference(number: int, entry: GoldenFrame, found: NDArray[np.float32], tolerance: float) -> float:
    if found.shape != entry.output.shape:
        raise ExportError(
            f"golden frame {number}: graph {entry.role} gives the shape {found.shape}",
            expected=str(entry.output.shape),
        )
    difference = float(np.abs(found - entry.output.astype(np.float32) / 255).max())
    if not difference <= tolerance:
        raise ExportError(
            f"golden frame {number}: graph {entry.role} differs by {difference:.4f} from what was exported",
            expected=f"at most {tolerance:.4f}",
            fix="the graph was changed or this engine computes wrongly: fetch the bundle again, or change engines",
        )
    return difference


def _quantised(output: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(output * 255).astype(np.uint8)


def _role(prefix: str) -> Role:
    for role in get_args(Role):
        if prefix.split("/")[0] == role:
            known: Role = role
            return known
    raise ValueError(f"{prefix!r} names no graph")
