"""What the building blocks of super-resolution networks cost in ONNX Runtime on one thread.

    python benchmarks/super_resolution/operators.py

times single operators on a frame of 160x120 at several numbers of channels, all in turn: DBPN's 8x8 deconvolutions of
stride 4, plain convolutions that stay at the frame's resolution, and ways to bring features or an image to four times
the resolution. It writes `operators.json` and `operators.md` into `benchmarks/results/super_resolution/`.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from run import RESULTS, processor
from timing import measure, session

from export.onnx import OPSET
from fissura.files import write_text

ROWS, COLUMNS = 120, 160
CHANNELS = (8, 12, 16, 24, 28, 32, 48, 64)
SCALE = 4


def graph(nodes: list[onnx.NodeProto], weights: tuple[int, ...], shape: tuple[int, ...]) -> bytes:
    """A graph from input `x` to output `y`, with random weights `w`, on float maps of (1, *shape)."""
    values = 0.1 * np.random.default_rng(0).standard_normal(weights)
    tensor = numpy_helper.from_array(values.astype(np.float32), "w")
    feed = helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, *shape))
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    made = helper.make_graph(nodes, "operators", [feed], [result], [tensor])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)
    return bytes(model.SerializeToString())


def cases(channels: int) -> dict[str, tuple[bytes, tuple[int, ...], float]]:
    """By name: the graph, the shape of its input, and its GFLOPs."""
    c, small, large = channels, (channels, ROWS, COLUMNS), (channels, SCALE * ROWS, SCALE * COLUMNS)
    sub_pixels = SCALE**2
    three = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    eight = {"kernel_shape": [8, 8], "strides": [4, 4], "pads": [2, 2, 2, 2]}
    shuffle = helper.make_node("DepthToSpace", ["m"], ["y"], blocksize=SCALE, mode="CRD")

    def weighted(kind: str, source: str, target: str, **attributes: object) -> onnx.NodeProto:
        return helper.make_node(kind, [source, "w"], [target], **attributes)

    # By name: nodes, shape of the weights, shape of the input, multiply-accumulates of each pixel of the small frame.
    found = {
        "two 3x3 convolutions with ReLU": (
            [
                weighted("Conv", "x", "a", **three),
                helper.make_node("Relu", ["a"], ["b"]),
                weighted("Conv", "b", "c", **three),
                helper.make_node("Relu", ["c"], ["y"]),
            ],
            (c, c, 3, 3),
            small,
            2 * 9 * c * c,
        ),
        "deconvolution 8x8, stride 4": (
            [weighted("ConvTranspose", "x", "y", **eight)],
            (c, c, 8, 8),
            small,
            64 * c * c,
        ),
        "convolution 8x8, stride 4": ([weighted("Conv", "x", "y", **eight)], (c, c, 8, 8), large, 64 * c * c),
        "PReLU of enlarged maps": ([weighted("PRelu", "x", "y")], (1, 1, 1), large, 0),
        "3x3 convolution to RGB sub-pixels, depth-to-space": (
            [weighted("Conv", "x", "m", **three), shuffle],
            (3 * sub_pixels, c, 3, 3),
            small,
            9 * c * 3 * sub_pixels,
        ),
        "3x3 convolution to sub-pixels of all channels, depth-to-space": (
            [weighted("Conv", "x", "m", **three), shuffle],
            (sub_pixels * c, c, 3, 3),
            small,
            9 * c * sub_pixels * c,
        ),
    }
    return {
        name: (graph(nodes, weights, shape), (1, *shape), 2e-9 * macs * ROWS * COLUMNS)
        for name, (nodes, weights, shape, macs) in found.items()
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    """One table of ms, one of GFLOP/s."""
    names = list(dict.fromkeys(row["operator"] for row in rows))
    head = (
        f"| operator, frame of {COLUMNS}x{ROWS} | {' | '.join(map(str, CHANNELS))} |\n|---|{'---:|' * len(CHANNELS)}\n"
    )

    def table(key: str) -> str:
        cells = {(row["operator"], row["channels"]): row[key] for row in rows}
        lines = (
            f"| {name} | {' | '.join('-' if (v := cells[name, c]) is None else f'{v:.1f}' for c in CHANNELS)} |"
            for name in names
        )
        return head + "\n".join(lines) + "\n"

    return f"CPU ms by channels:\n\n{table('ms')}\nGFLOP/s:\n\n{table('gflops_per_s')}"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="timed rounds (default: 15)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="result folder")
    arguments = parser.parse_args()
    calls, gflops = {}, {}
    for channels in CHANNELS:
        for name, (content, shape, work) in cases(channels).items():
            run, maps = session(content), np.random.default_rng(1).random(shape, np.float32)
            calls[name, channels] = lambda run=run, maps=maps: run(maps)
            gflops[name, channels] = work
    rows = []
    for (name, channels), times in measure(calls, arguments.rounds, most_s=2).items():
        ms, work = statistics.median(times), gflops[name, channels]
        rate = round(1e3 * work / ms, 1) if work else None
        rows.append({"operator": name, "channels": channels, "ms": round(ms, 3), "gflops_per_s": rate})
    result = {
        "command": f"python {' '.join(sys.argv)}",
        "frame": {"width_px": COLUMNS, "height_px": ROWS},
        "rounds": arguments.rounds,
        "threads": 1,
        "operators": rows,
        "versions": {"python": platform.python_version(), "onnxruntime": version("onnxruntime")},
        "processor": processor(),
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_text(arguments.out / "operators.json", json.dumps(result, indent=2) + "\n")
    heading = (
        f"# Operators in ONNX Runtime on one thread\n\n{processor()}, ONNX Runtime {version('onnxruntime')}. "
        f"Made by `{result['command']}`.\n\n"
    )
    write_text(arguments.out / "operators.md", heading + markdown(rows))
    print(markdown(rows))


if __name__ == "__main__":
    main()
