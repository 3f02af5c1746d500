"""What is tried of a new model before it sees a frame: golden frames, its own and the running model's, and latency."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.engine_choice.request import roles_of
from edge_runtime.engines import AUTO
from edge_runtime.golden import FILE, LEVELS, GoldenFrames, compare_golden, golden_of
from edge_runtime.inference import PARTS
from edge_runtime.model import Model
from edge_runtime.proof import REFERENCE, SCENES, SEED, WARM_UP
from edge_runtime.run.config import RunConfig
from edge_runtime.stages import percentiles
from edge_runtime.stored_graph import as_run, engine_class, stored_graph
from edge_runtime.updates.comparison import Comparison, Reading
from edge_runtime.updates.output_check import OutputCheck
from edge_runtime.updates.trial.external_data import check_bundle
from edge_runtime.updates.trial.messages import Task
from edge_runtime.updates.trial.opening import OpenModel, open_model
from fissura.bundle import Bundle, Role, load_bundle
from fissura.errors import RejectedError
from fissura.imaging.images import RgbImage
from fissura.synth import SynthConfig, render

LATENCY_S = 120.0  # for the frames of which the latency is taken; fewer are enough of a slow model


def self_test(task: Task, config: RunConfig) -> dict[str, float]:
    """Build and test.

    Args:
        task: what is asked for.
        config: of the run, with the new bundle.

    Returns:
        `golden_iou`, `p50_ms`, `p99_ms`, `memory_mb`; `running_iou` where there is something to compare with.

    Raises:
        FissuraError: the bundle is damaged, cannot be opened, or gives something else than when it was exported.
    """
    bundle = load_bundle(config.bundle)
    check_bundle(bundle)
    golden = golden_of(bundle)
    figures = {"golden_iou": min(_prove(bundle, golden, role, config) for role in roles_of(bundle, config.mode))}
    with open_model(config) as opened:
        if task.running is not None:
            figures |= _compare_with_running(opened, task.running, config)
        figures |= _latency(opened, task.size or golden.largest, task.frames)
    return {**figures, "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6}


def _prove(bundle: Bundle, golden: GoldenFrames, role: Role, config: RunConfig) -> float:
    """Compare a graph with its golden frames; returns the IoU of the masks, 1 for a graph that gives images."""
    kind = REFERENCE if config.engine == AUTO else config.engine  # what `auto` chooses has proven itself
    variant = config.variant if config.variant in bundle.graph(role).variants else None
    known = engine_class(kind).config_class.model_fields
    wanted: dict[str, object] = {"threads": config.threads, **config.engine_option, "size": golden.largest}
    if config.engine == AUTO:
        wanted = {"threads": config.threads}
    options = {name: value for name, value in wanted.items() if name in known}
    found: list[NDArray[np.float32]] = []
    with stored_graph(bundle, role, variant, kind, options) as step:
        run = as_run(step)

        def noted(frame: RgbImage) -> NDArray[np.float32]:
            found.append(run(frame).copy())
            return found[-1]

        result = compare_golden(bundle, golden, role, variant, noted)
    if not result.passed:
        raise RejectedError(
            f"golden: graph {role} differs by {result.max_abs:.4f} at most and {result.mean_abs:.5f} on average from "
            "what was exported",
            expected=f"at most {result.tolerance.max_abs:.4f}, on average {result.tolerance.mean_abs:.5f}",
        )
    graph = bundle.graph(role, variant)
    if graph.threshold is None:
        return 1.0
    reading = Reading(graph.threshold, graph.low_threshold)
    comparison = Comparison(reading, reading, rich_fraction=1)
    for entry, probability in zip(golden.of(role), found, strict=True):
        comparison.add(_probability(entry.output), probability)
    return comparison.figures()["mask_iou"]


def _compare_with_running(opened: OpenModel, running: Path, config: RunConfig) -> dict[str, float]:
    """The golden frames of the model that runs are known cracks: who sees none of them has become worse."""
    bundle = load_bundle(running)
    role = roles_of(bundle, config.mode)[0]
    graph = bundle.graph(role)
    # What a graph of several gives is not what the mode gives.
    if FILE not in bundle.manifest.files or graph.threshold is None or config.mode in PARTS:
        return {}
    comparison = Comparison(Reading(graph.threshold, graph.low_threshold), _reading(opened.model), rich_fraction=1)
    for entry in golden_of(bundle).of(role):
        comparison.add(_probability(entry.output), opened.run(entry.frame))
    return {"running_iou": comparison.figures()["mask_iou"]}


def _latency(opened: OpenModel, size: tuple[int, int], frames: int) -> dict[str, float]:
    """Of synthetic pavement of the stream's size; what comes out must be probabilities there too."""
    pavement = SynthConfig(width=size[0], height=size[1], crack_free=0)
    scenes = [render(pavement, SEED, index).image for index in range(SCENES)]
    check = OutputCheck()
    for number in range(WARM_UP):
        check.look(opened.run(scenes[number % SCENES]), should_vary=True)
    milliseconds: list[float] = []
    end_s = time.monotonic() + LATENCY_S
    while len(milliseconds) < frames and (not milliseconds or time.monotonic() < end_s):
        began_ns = time.perf_counter_ns()
        found = opened.run(scenes[len(milliseconds) % SCENES])
        milliseconds.append((time.perf_counter_ns() - began_ns) / 1e6)
        check.look(found, should_vary=True)
    of = percentiles(milliseconds)
    return {"p50_ms": of["p50"], "p99_ms": of["p99"]}


def _reading(model: Model) -> Reading:
    return Reading(model.stamp.threshold, model.low_threshold, model.inference.temperature)


def _probability(output: NDArray[np.uint8]) -> NDArray[np.float32]:
    return output.astype(np.float32) / np.float32(LEVELS)
