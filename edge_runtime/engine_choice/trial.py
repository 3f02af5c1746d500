"""One candidate in a process of its own: ``python -m edge_runtime.engine_choice.trial``.

A vendor's library that crashes ends this process, and not the run. A line of JSON comes in on standard input (`Task`),
an `Answer` goes out when the engine is open, proven and warm; after that, each line that comes in is the length of a
turn in seconds and is answered with the times of its frames. The end of standard input is the end of the process and
of all that it started, whatever it is at: it comes when the run is gone, however that one ended.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from edge_runtime.engine_choice.candidate import REFERENCE, Candidate
from edge_runtime.engine_choice.request import Answer, Request, Task, roles_of
from edge_runtime.golden import GoldenFrames, compare_golden, golden_of, tolerance_of
from edge_runtime.inference import Inference, open_inference
from edge_runtime.process_group import end_with_input
from edge_runtime.proof import OTHER_SCENES, SCENES, SEED, WARM_UP
from edge_runtime.stages import StageTimes
from edge_runtime.stored_graph import as_run, engine_class, stored_graph
from fissura.bundle import Bundle, Role, VariantName, load_bundle
from fissura.errors import EngineError, FissuraError
from fissura.imaging.images import RgbImage
from fissura.synth import SynthConfig, render


def main() -> int:
    """Try what standard input asks for; returns the exit code."""
    threading.Thread(target=end_with_input, name="end with parent", daemon=True).start()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not come between the lines of JSON

    def say(answer: Answer) -> None:
        answers.write(answer.model_dump_json() + "\n")
        answers.flush()

    task = Task.model_validate_json(sys.stdin.readline())
    try:
        inference, scenes = _prepared(task.candidate, task.request)
        say(Answer(name=inference.engine))
        for line in sys.stdin:
            say(Answer(milliseconds=_turn(inference, scenes, float(line))))
        inference.close()
    except FissuraError as error:
        say(Answer(problem=error.found))
    return 0


def _prepared(candidate: Candidate, request: Request) -> tuple[Inference, list[RgbImage]]:
    """Prove a candidate and open it.

    Raises:
        FissuraError: it is not there, cannot run the graphs, or computes something else.
    """
    bundle = load_bundle(request.bundle)
    options = _options(candidate, request.threads)
    width, height = request.size
    config = SynthConfig(width=width, height=height, crack_free=0)
    scenes = [render(config, SEED, index).image for index in range(SCENES)]
    golden = golden_of(bundle)
    for role in roles_of(bundle, request.mode):
        _prove(bundle, golden, role, _variant(bundle, role, request), candidate.kind, options)
    expected = None
    if request.precision is not None or candidate != Candidate(kind=REFERENCE):
        reference = open_inference(bundle, request.mode, REFERENCE, {"threads": request.threads}, request.tiles)
        expected = reference.run(scenes[0], StageTimes()).copy()
        reference.close()
    inference = open_inference(bundle, request.mode, candidate.kind, options, request.tiles, request.precision)
    for _ in range(WARM_UP):
        found = inference.run(scenes[0], StageTimes())
    if expected is not None:
        _compare(bundle, golden, request, found, expected)
    return inference, scenes


def _options(candidate: Candidate, threads: int) -> dict[str, object]:
    known = engine_class(candidate.kind).config_class.model_fields
    wanted: dict[str, object] = {"threads": threads, "fallback": False}  # what falls back is another candidate
    return {**{name: value for name, value in wanted.items() if name in known}, **candidate.options}


def _variant(bundle: Bundle, role: Role, request: Request) -> VariantName | None:
    return request.precision if request.precision in bundle.graph(role).variants else None


def _prove(
    bundle: Bundle,
    golden: GoldenFrames,
    role: Role,
    variant: VariantName | None,
    kind: str,
    options: Mapping[str, object],
) -> None:
    with stored_graph(bundle, role, variant, kind, options) as step:
        result = compare_golden(bundle, golden, role, variant, as_run(step))
    if not result.passed:
        raise EngineError(
            f"golden frames of graph {role}: off by {result.max_abs:.4f} at most and {result.mean_abs:.5f} on average, "
            f"{result.tolerance.max_abs:.4f} and {result.tolerance.mean_abs:.5f} allowed"
        )


def _compare(
    bundle: Bundle,
    golden: GoldenFrames,
    request: Request,
    found: NDArray[np.float32],
    expected: NDArray[np.float32],
) -> None:
    """At the camera's size too: engines choose other kernels for other sizes."""
    variants = {role: _variant(bundle, role, request) for role in roles_of(bundle, request.mode)}
    tolerances = [tolerance_of(bundle, golden, role, variant) for role, variant in variants.items()]
    difference = np.abs(found - expected)
    if any(variants.values()):
        off, limit, what = difference.mean(), OTHER_SCENES * max(one.mean_abs for one in tolerances), "on average"
    else:
        off, limit, what = difference.max(), max(one.max_abs for one in tolerances), "at most"
    if not off <= limit:  # not `>`: what is no number must show
        raise EngineError(f"camera size: off by {off:.5f} {what} from fp32 in ONNX Runtime, {limit:.5f} allowed")


def _turn(inference: Inference, scenes: list[RgbImage], seconds: float) -> list[float]:
    """Run frames for so long, one at least; their times in milliseconds."""
    milliseconds: list[float] = []
    end = time.perf_counter() + seconds
    times = StageTimes()
    while not milliseconds or time.perf_counter() < end:
        began = time.perf_counter_ns()
        inference.run(scenes[len(milliseconds) % SCENES], times)
        milliseconds.append((time.perf_counter_ns() - began) / 1e6)
    return milliseconds


if __name__ == "__main__":
    sys.exit(main())
