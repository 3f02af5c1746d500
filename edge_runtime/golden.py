"""Golden frames: inputs with the outputs that the exported fp32 graphs gave, to prove an engine wherever it runs.

`golden.npz` holds, for each graph and number, ``ROLE/NUMBER/frame`` (H, W, 3) uint8 and ``ROLE/NUMBER/output`` uint8
(the output in steps of 1/255), and one ``tolerance``: the largest difference from ``output / 255`` that passes at fp32.
A graph at lower precision may differ more: by its `Variant.tolerance` in the manifest.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from edge_runtime.stored_graph import Run, as_run, proving_options, runnable, stored_graph
from fissura.bundle import Bundle, Role, Tolerance, VariantName
from fissura.errors import BundleError, EngineError, ModelShapeError
from fissura.imaging.images import RgbImage

FILE = "golden.npz"
LEVELS = 255


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

    def of(self, role: Role) -> list[GoldenFrame]:
        """Those of one graph.

        Raises:
            BundleError: there are none: nothing proves this graph.
        """
        found = [entry for entry in self.frames if entry.role == role]
        if not found:
            raise BundleError(f"there are no golden frames of graph {role}", fix="export the bundle again")
        return found

    @property
    def largest(self) -> tuple[int, int]:
        """Width and height that hold every frame, pixels."""
        shapes = [entry.frame.shape for entry in self.frames]
        return max((shape[1] for shape in shapes), default=1), max((shape[0] for shape in shapes), default=1)


@dataclass(frozen=True)
class GoldenResult:
    """How far an engine is from a graph's golden frames.

    Attributes:
        role: of the graph.
        variant: its precision; None: as it is (fp32).
        frames: that were compared.
        max_abs: largest difference of a probability, or of a colour in [0, 1].
        mean_abs: mean difference, over all frames.
        tolerance: what passes.
    """

    role: Role
    variant: VariantName | None
    frames: int
    max_abs: float
    mean_abs: float
    tolerance: Tolerance

    @property
    def passed(self) -> bool:
        """Whether both are within the tolerance; what is not a number is not."""
        return self.max_abs <= self.tolerance.max_abs and self.mean_abs <= self.tolerance.mean_abs


def read_golden(path: Path) -> GoldenFrames:
    """Read `golden.npz`, of any minor version.

    Raises:
        BundleError: it is missing or damaged.
    """
    try:
        if not zipfile.is_zipfile(path):  # what numpy makes of other files depends on their first bytes
            raise zipfile.BadZipFile("it is missing, or no npz file")
        with np.load(path, allow_pickle=False) as arrays:
            prefixes = sorted(name.removesuffix("/frame") for name in arrays.files if name.endswith("/frame"))
            frames = tuple(
                GoldenFrame(role, arrays[f"{prefix}/frame"], arrays[f"{prefix}/output"])
                for prefix in prefixes
                if (role := _role(prefix)) is not None
            )
            return GoldenFrames(frames, float(arrays["tolerance"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise BundleError(f"golden frames {path} cannot be read: {error}", fix="fetch the bundle again") from error


def golden_of(bundle: Bundle) -> GoldenFrames:
    """The golden frames of a bundle.

    Raises:
        BundleError: the manifest lists none, so that nothing says whose they are, or they cannot be read.
    """
    if FILE not in bundle.manifest.files:
        raise BundleError(f"bundle {bundle.path} has no golden frames", fix="export the bundle again")
    return read_golden(bundle.path / FILE)


def compare_golden(
    bundle: Bundle, golden: GoldenFrames, role: Role, variant: VariantName | None, run: Run
) -> GoldenResult:
    """Compare a graph in an engine with its golden frames.

    Args:
        bundle: the model.
        golden: of the model.
        role: of the graph.
        variant: its precision; None: as it is (fp32).
        run: the graph in the engine.

    Raises:
        BundleError: there are no golden frames of that graph.
        EngineError, ModelShapeError: the engine cannot run a frame, or gives another size.
    """
    entries = golden.of(role)
    max_abs, mean_abs = golden_difference(entries, run)
    tolerance = tolerance_of(bundle, golden, role, variant)
    return GoldenResult(role, variant, len(entries), max_abs, mean_abs, tolerance)


def golden_difference(entries: list[GoldenFrame], run: Run) -> tuple[float, float]:
    """Largest and mean difference between what a graph gives and the golden outputs, over all frames.

    Raises:
        EngineError, ModelShapeError: see `compare_golden`.
    """
    largest, total, count = 0.0, 0.0, 0
    for entry in entries:
        found = run(entry.frame)
        if found.shape != entry.output.shape:
            raise ModelShapeError(
                f"golden frame of graph {entry.role}: the engine gives the shape {found.shape}",
                expected=str(entry.output.shape),
            )
        difference = np.abs(found - entry.output.astype(np.float32) / LEVELS)
        # Not `max`: what is not a number must show.
        largest = float(np.maximum(largest, difference.max()))
        total += float(difference.sum(dtype=np.float64))
        count += difference.size
    return largest, total / count


def tolerance_of(bundle: Bundle, golden: GoldenFrames, role: Role, variant: VariantName | None) -> Tolerance:
    """How far from the golden outputs a graph may be at this precision."""
    if variant is None:
        return Tolerance(max_abs=golden.tolerance, mean_abs=golden.tolerance)
    return bundle.graph(role).variants[variant].tolerance


def golden_results(bundle: Bundle, kind: str, options: Mapping[str, object] | None = None) -> Iterator[GoldenResult]:
    """Compare every graph, at every precision that an engine runs, with its golden frames, one after another.

    Args:
        bundle: the model.
        kind: of the engine.
        options: of the engine, besides those that prove it (`proving_options`).

    Raises:
        BundleError: there are no golden frames, or none of a graph.
        MissingDependencyError, EngineError, ModelShapeError: the engine cannot load or run a graph.
    """
    golden = golden_of(bundle)
    options = {**proving_options(kind, golden.largest), **(options or {})}
    for role in bundle.manifest.graphs:
        for variant in runnable(bundle, role, kind):
            with stored_graph(bundle, role, variant, kind, options) as step:
                yield compare_golden(bundle, golden, role, variant, as_run(step))


def check_golden(
    bundle: Bundle, kind: str = "onnxruntime", options: Mapping[str, object] | None = None
) -> dict[tuple[Role, VariantName | None], GoldenResult]:
    """Prove that an engine computes all of a bundle as it was exported; see `golden_results`.

    Returns:
        What was measured, by graph and precision.

    Raises:
        BundleError, MissingDependencyError, ModelShapeError: see `golden_results`.
        EngineError: the engine cannot load or run a graph, or gives something else than when it was exported.
    """
    results = {}
    for result in golden_results(bundle, kind, options):
        if not result.passed:
            raise EngineError(
                f"golden frames: graph {result.role} ({result.variant or 'fp32'}) differs by {result.max_abs:.4f} at "
                f"most and {result.mean_abs:.5f} on average from what was exported",
                expected=f"at most {result.tolerance.max_abs:.4f}, on average {result.tolerance.mean_abs:.5f}",
                fix=f"the graph was changed or engine {kind} computes wrongly here: fetch the bundle again, or change "
                "engines",
            )
        results[result.role, result.variant] = result
    return results


def _role(prefix: str) -> Role | None:
    """Of an entry; None for a role of a newer minor version, which nothing here can run."""
    for role in get_args(Role):
        if prefix.split("/")[0] == role:
            known: Role = role
            return known
    return None
