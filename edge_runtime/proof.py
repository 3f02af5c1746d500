"""One graph of a bundle in one engine at one precision, on this device: is it right, and how fast is it?

Right means: what the golden frames say, and close to fp32 in ONNX Runtime, on the golden frames (two sizes at least)
and on synthetic pavement of the camera's size. Sizes matter: engines choose other kernels for other sizes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edge_runtime.engine_options import EngineOptions
from edge_runtime.golden import GoldenFrames, GoldenResult, compare_golden, tolerance_of
from edge_runtime.stages import percentiles
from edge_runtime.stored_graph import Run, as_run, proving_options, stored_graph
from fissura.bundle import Bundle, Role, Tolerance, VariantName
from fissura.errors import EngineError
from fissura.imaging.images import RgbImage
from fissura.synth import SynthConfig, render

REFERENCE = "onnxruntime"
SCENES = 3
SEED = 0
WARM_UP = 3
# At lower precision the mean difference changes from scene to scene, by 2 on pavement and less between engines; an
# engine that computes wrongly misses it by 5 and more.
OTHER_SCENES = 2.0

Output = NDArray[np.float32]


@dataclass(frozen=True)
class Difference:
    """How far outputs are from those of fp32 in ONNX Runtime.

    Attributes:
        sizes: (width, height) of the frames, pixels.
        max_abs: largest difference of a probability, or of a colour in [0, 1].
        mean_abs: mean difference, over all frames.
        mask_iou: pixels that both call crack, each at its own threshold, by those that one of them does; None of an
            image.
    """

    sizes: tuple[tuple[int, int], ...]
    max_abs: float
    mean_abs: float
    mask_iou: float | None


@dataclass(frozen=True)
class Row:
    """What was found of one graph in one engine at one precision.

    Attributes:
        role: of the graph.
        engine: its kind.
        variant: the precision; None: fp32.
        name: engine and device, as the engine itself states it; empty where it could not be opened.
        golden: against the golden frames.
        on_golden, on_camera: against fp32 in ONNX Runtime, on those frames and at the camera's size.
        latency_ms: percentiles of a frame of the camera's size, encoding included.
        problems: why it did not pass; empty: it passed.
    """

    role: Role
    engine: str
    variant: VariantName | None
    name: str = ""
    golden: GoldenResult | None = None
    on_golden: Difference | None = None
    on_camera: Difference | None = None
    latency_ms: dict[str, float] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether this device may run this row."""
        return not self.problems


@dataclass(frozen=True)
class Reference:
    """What fp32 gives for a graph in ONNX Runtime: frames with their outputs."""

    golden: list[tuple[RgbImage, Output]]
    camera: list[tuple[RgbImage, Output]]


class Prover:
    """Proves the rows of a bundle, one engine open at a time: small devices have memory for no more.

    Args:
        bundle: the model.
        golden: its golden frames.
        size: width and height of the camera frame, pixels.
        frames: that latency is measured on.
        threads: of the engines that have threads; None: their default.
        options: more of the engines that are proven; the reference has none of them.
    """

    def __init__(
        self,
        bundle: Bundle,
        golden: GoldenFrames,
        size: tuple[int, int],
        frames: int,
        threads: int | None,
        options: EngineOptions,
    ) -> None:
        self._bundle, self._golden, self._frames, self._threads = bundle, golden, frames, threads
        self._engine_options = options
        config = SynthConfig(width=size[0], height=size[1], crack_free=0)
        self._scenes = [render(config, SEED, index).image for index in range(SCENES)]
        self._largest = tuple(max(pair) for pair in zip(size, golden.largest, strict=True))

    def reference(self, role: Role) -> Reference:
        """Run the fp32 graph in ONNX Runtime.

        Raises:
            BundleError: there are no golden frames of that graph.
            MissingDependencyError, EngineError: ONNX Runtime is not there, or cannot run the graph.
        """
        frames = [entry.frame for entry in self._golden.of(role)]
        if len({frame.shape for frame in frames}) < 2:
            height, width = frames[0].shape[:2]
            frames.append(frames[0][: 2 * height // 3 | 1, : 3 * width // 4 | 1])
        with stored_graph(self._bundle, role, None, REFERENCE, self._options(REFERENCE)) as step:
            run = as_run(step)
            golden = [(frame, run(frame).copy()) for frame in frames]
            return Reference(golden, [(scene, run(scene).copy()) for scene in self._scenes])

    def prove(self, role: Role, engine: str, variant: VariantName | None, reference: Reference) -> Row:
        """Measure one row; what fails stands in it, and is not raised.

        Raises:
            MissingDependencyError: what the engine needs is not there.
        """
        with ExitStack() as stack:
            try:
                options = {**self._options(engine), **self._engine_options.get(engine, {})}
                step = stack.enter_context(stored_graph(self._bundle, role, variant, engine, options))
                run = as_run(step)
                golden = compare_golden(self._bundle, self._golden, role, variant, run)
                on_golden = self._difference(role, variant, run, reference.golden)
                on_camera = self._difference(role, variant, run, reference.camera)
                latency_ms = percentiles(self._latencies(run))
            except EngineError as error:
                return Row(role, engine, variant, problems=(error.found,))
        tolerance = tolerance_of(self._bundle, self._golden, role, variant)
        problems = _problems(golden, on_golden, on_camera, tolerance, variant)
        return Row(role, engine, variant, step.engine.name, golden, on_golden, on_camera, latency_ms, problems)

    def _options(self, kind: str) -> dict[str, object]:
        width, height = self._largest
        return proving_options(kind, (width, height), self._threads)

    def _difference(
        self, role: Role, variant: VariantName | None, run: Run, pairs: Sequence[tuple[RgbImage, Output]]
    ) -> Difference:
        graph, own = self._bundle.graph(role), self._bundle.graph(role, variant)
        largest, total, count, both, either = 0.0, 0.0, 0, 0, 0
        for frame, expected in pairs:
            found = run(frame)
            difference = np.abs(found - expected)
            largest = float(np.maximum(largest, difference.max()))  # what is not a number must show
            total += float(difference.sum(dtype=np.float64))
            count += difference.size
            if graph.threshold is not None and own.threshold is not None:
                ours, theirs = found >= own.threshold, expected >= graph.threshold
                both += int((ours & theirs).sum())
                either += int((ours | theirs).sum())
        return Difference(
            sizes=tuple(dict.fromkeys((frame.shape[1], frame.shape[0]) for frame, _ in pairs)),
            max_abs=largest,
            mean_abs=total / count,
            mask_iou=None if graph.threshold is None else both / either if either else 1.0,
        )

    def _latencies(self, run: Run) -> list[float]:
        milliseconds = []
        for index in range(WARM_UP + self._frames):
            began_s = time.perf_counter()
            run(self._scenes[index % SCENES])
            milliseconds.append((time.perf_counter() - began_s) * 1e3)
        return milliseconds[WARM_UP:]


def _problems(
    golden: GoldenResult,
    on_golden: Difference,
    on_camera: Difference,
    tolerance: Tolerance,
    variant: VariantName | None,
) -> tuple[str, ...]:
    problems = []
    if not golden.passed:
        problems.append(
            f"golden frames: off by {golden.max_abs:.4f} at most and {golden.mean_abs:.5f} on average, "
            f"{tolerance.max_abs:.4f} and {tolerance.mean_abs:.5f} allowed"
        )
    for found, where in ((on_golden, "golden frames"), (on_camera, "camera size")):
        if variant is None and not found.max_abs <= tolerance.max_abs:
            problems.append(f"{where}: off by {found.max_abs:.4f} from ONNX Runtime, {tolerance.max_abs:.4f} allowed")
        limit = OTHER_SCENES * tolerance.mean_abs
        if variant is not None and not found.mean_abs <= limit:
            problems.append(
                f"{where}: off by {found.mean_abs:.5f} on average from fp32 in ONNX Runtime, {limit:.5f} allowed"
            )
    return tuple(problems)
