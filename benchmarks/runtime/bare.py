"""The bare engine: an ONNX file run back to back in ONNX Runtime, on one input, with nothing around it.

python bare.py MODEL.onnx [--threads 1] [--seconds 3] [--size 480x320]     prints one line of JSON
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from stopwatch import percentiles

WARM_UP = 3
TYPES = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32}


def run_bare(model: Path, threads: int, seconds: float, size: tuple[int, int]) -> list[float]:
    """Run a model for so many seconds; returns the milliseconds of each inference.

    Args:
        model: an ONNX file with one image as input: uint8 (N, H, W, 3) or float32 (N, 3, H, W).
        threads: of one inference.
        seconds: how long.
        size: width and height where the model leaves them free.
    """
    options = session_options(threads)
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    (image,) = session.get_inputs()
    width, height = size
    free = (1, height, width, 3) if image.type == "tensor(uint8)" else (1, 3, height, width)
    shape = [axis if isinstance(axis, int) else wanted for axis, wanted in zip(image.shape, free, strict=True)]
    batch = np.random.default_rng(0).integers(0, 256, shape).astype(TYPES[image.type])
    feed, names = {image.name: batch}, [output.name for output in session.get_outputs()]
    for _ in range(WARM_UP):
        session.run(names, feed)
    milliseconds: list[float] = []
    began = time.perf_counter()
    while not milliseconds or time.perf_counter() - began < seconds:
        frame = time.perf_counter()
        session.run(names, feed)
        milliseconds.append((time.perf_counter() - frame) * 1e3)
    return milliseconds


def engine_figures(milliseconds: list[float]) -> dict[str, Any]:
    """`engine_fps` and `engine_ms`: rate and percentiles."""
    return {"engine_fps": len(milliseconds) * 1e3 / sum(milliseconds), "engine_ms": percentiles(milliseconds)}


def session_options(threads: int) -> ort.SessionOptions:
    """What all peers give ONNX Runtime."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options


def frame_size(text: str) -> tuple[int, int]:
    """Width and height from ``480x320``."""
    width, _, height = text.partition("x")
    return int(width), int(height)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--size", type=frame_size, default=(480, 320))
    arguments = parser.parse_args()
    milliseconds = run_bare(arguments.model, arguments.threads, arguments.seconds, arguments.size)
    print(json.dumps(engine_figures(milliseconds)))


if __name__ == "__main__":
    main()
