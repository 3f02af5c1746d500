"""Times of ONNX Runtime sessions on one thread, all in turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

import numpy as np
import onnxruntime

LEAST_ROUNDS = 3

Call = Callable[[], object]
Label = TypeVar("Label", bound=Hashable)


def session(onnx: bytes) -> Callable[[np.ndarray], object]:
    """A graph of one input, ready to run in the calling thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    opened = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
    name = opened.get_inputs()[0].name
    return lambda image: opened.run(None, {name: image})


def measure(calls: Mapping[Label, Call], rounds: int, most_s: float) -> dict[Label, list[float]]:
    """CPU time of each call in ms, round by round, so that a change of the machine's clock meets all of them.

    ONNX Runtime with one thread computes in the thread that calls it, whose CPU time leaves out what other processes
    take of the core; on an idle machine it is the wall time.

    Args:
        calls: by label.
        rounds: how often each runs; a first, untimed one comes on top.
        most_s: a call that has taken so many seconds, and three rounds at least, sits out the other rounds.

    Returns:
        By label, in order of the rounds.
    """
    times: dict[Label, list[float]] = {label: [] for label in calls}
    for number in range(rounds + 1):
        for label, call in calls.items():
            done = times[label]
            if len(done) >= LEAST_ROUNDS and sum(done) > 1e3 * most_s:
                continue
            start = time.thread_time()
            call()
            if number:
                done.append(1e3 * (time.thread_time() - start))
    return times


def summary(times: list[float], reference: list[float]) -> dict[str, float | int | list[float]]:
    """Median and quartiles in ms, and the median over the rounds of the ratio to another call."""
    first, _, third = statistics.quantiles(times, n=4, method="inclusive")
    ratio = statistics.median(own / other for own, other in zip(times, reference, strict=False))
    return {
        "ms": round(statistics.median(times), 3),
        "quartiles_ms": [round(first, 3), round(third, 3)],
        "ratio": round(ratio, 4),
        "rounds": len(times),
    }
