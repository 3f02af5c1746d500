"""Graphs of one or two convolutions in every precision."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fissura.bundle import Graph, GraphInput, GraphOutput

Kind = Literal["fp32", "fp16", "int8", "restored"]


def write_graph(folder: Path, kind: Kind, *, batch: int | str = 1, statistics: bool = False) -> tuple[Path, Graph]:
    """Image -> two 3x3 convolutions -> probability; `restored`: quantised, but for the second convolution."""
    half = kind == "fp16"
    dtype = np.float16 if half else np.float32
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT, name="cast"),
        helper.make_node("Transpose", ["float"], ["planar"], perm=[0, 3, 1, 2], name="transpose"),
        helper.make_node("Div", ["planar", "full_scale"], ["unit"], name="scale"),
    ]
    x = "unit"
    if statistics:
        nodes += [
            helper.make_node("Split", ["statistics"], ["mean", "variance"], axis=0, num_outputs=2, name="split"),
            helper.make_node("Reshape", ["mean", "per_channel"], ["mean_nchw"], name="reshape"),
            helper.make_node("Sub", ["unit", "mean_nchw"], ["centred"], name="centre"),
        ]
        x = "centred"
    if half:
        nodes.append(helper.make_node("Cast", [x], ["half"], to=TensorProto.FLOAT16, name="to_half"))
        x = "half"
    for number in (1, 2):
        if kind == "int8" or (kind == "restored" and number == 1):
            nodes += [
                helper.make_node("QuantizeLinear", [x, "step", "zero"], [f"q{number}"], name=f"quantize{number}"),
                helper.make_node(
                    "DequantizeLinear", [f"q{number}", "step", "zero"], [f"dq{number}"], name=f"dq{number}"
                ),
            ]
            x = f"dq{number}"
        nodes.append(helper.make_node("Conv", [x, f"w{number}"], [f"c{number}"], pads=[1] * 4, name=f"conv{number}"))
        x = f"c{number}"
    if half:
        nodes.append(helper.make_node("Cast", [x], ["single"], to=TensorProto.FLOAT, name="to_float"))
        x = "single"
    nodes.append(helper.make_node("Sigmoid", [x], ["probability"], name="sigmoid"))
    random = np.random.default_rng(3)
    constants = {
        "full_scale": np.array(255, np.float32),
        "w1": random.normal(0, 0.3, (4, 3, 3, 3)).astype(dtype),
        "w2": random.normal(0, 0.3, (1, 4, 3, 3)).astype(dtype),
        "step": np.array(0.02, np.float32),
        "zero": np.array(0, np.int8),
        "per_channel": np.array([1, 3, 1, 1], np.int64),
    }
    used = {name for node in nodes for name in node.input}
    inputs = [helper.make_tensor_value_info("image", TensorProto.UINT8, [batch, "h", "w", 3])]
    if statistics:
        inputs.append(helper.make_tensor_value_info("statistics", TensorProto.FLOAT, [2, 3]))
    graph = helper.make_graph(
        nodes,
        kind,
        inputs,
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [batch, 1, "h", "w"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items() if name in used],
    )
    path = folder / f"{kind}.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path)
    precision: Literal["fp32", "fp16", "int8"] = "int8" if kind == "restored" else kind
    return path, Graph(
        file=path.name,
        input=GraphInput(name="image", multiple=8, min_size=8),
        output=GraphOutput(name="probability", kind="probability"),
        precision=precision,
        threshold=0.5,
        statistics="statistics" if statistics else None,
    )
