"""Graphs that pass for good ones and do harm: each gives what the graph of `tests.bundles` gives, as far as it gets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from fissura.bundle import read_manifest
from tests.edge_runtime.proven import list_files

GLARE = 0.9  # mean brightness of a frame into the sun


def crash_in_glare(bundle: Path) -> None:
    """Kill the process on a very bright frame: the smallest integer divided by -1 is a trap of x86 processors."""
    _insert(
        bundle,
        [
            helper.make_node("Greater", ["harm_mean", "harm_glare"], ["harm_bright"]),
            helper.make_node("Cast", ["harm_bright"], ["harm_one"], to=TensorProto.INT32),
            helper.make_node("Mul", ["harm_one", "harm_minus_two"], ["harm_twice"]),
            helper.make_node("Add", ["harm_twice", "harm_plus_one"], ["harm_divisor"]),
            helper.make_node("Div", ["harm_smallest", "harm_divisor"], ["harm_quotient"]),
            helper.make_node("Cast", ["harm_quotient"], ["harm_value"], to=TensorProto.FLOAT),
        ],
        {
            "harm_glare": np.array(GLARE, np.float32),
            "harm_minus_two": np.array(-2, np.int32),
            "harm_plus_one": np.array(1, np.int32),
            "harm_smallest": np.array([np.iinfo(np.int32).min], np.int32),
        },
    )


def fail_in_glare(bundle: Path) -> None:
    """Give an error on a very bright frame: ONNX Runtime refuses to divide by zero."""
    _insert(
        bundle,
        [
            helper.make_node("Greater", ["harm_mean", "harm_glare"], ["harm_bright"]),
            helper.make_node("Not", ["harm_bright"], ["harm_dark"]),
            helper.make_node("Cast", ["harm_dark"], ["harm_divisor"], to=TensorProto.INT32),
            helper.make_node("Div", ["harm_one", "harm_divisor"], ["harm_quotient"]),
            helper.make_node("Cast", ["harm_quotient"], ["harm_value"], to=TensorProto.FLOAT),
        ],
        {"harm_glare": np.array(GLARE, np.float32), "harm_one": np.array([1], np.int32)},
    )


def eat_memory(bundle: Path, gigabytes: float) -> None:
    """Want so much memory for every frame."""
    _insert(
        bundle,
        [
            helper.make_node("Expand", ["harm_mean", "harm_shape"], ["harm_large"]),
            helper.make_node("ReduceMax", ["harm_large"], ["harm_value"], keepdims=0),
        ],
        {"harm_shape": np.array([int(gigabytes * 2**28)], np.int64)},
    )


def take_long(bundle: Path, rounds: int, *, a_pixel: bool = False) -> None:
    """Go round and round for every frame, or as often for every pixel of it."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_on"], ["go_on_still"]),
            helper.make_node("Mul", ["before", "body_one"], ["after"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("go_on_still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, []),
        ],
        [numpy_helper.from_array(np.array(1, np.float32), "body_one")],
    )
    _insert(
        bundle,
        [
            helper.make_node("Size", ["clean" if a_pixel else "harm_rounds"], ["harm_count"]),  # of one number: one
            helper.make_node("Mul", ["harm_count", "harm_rounds"], ["harm_times"]),
            helper.make_node("Loop", ["harm_times", "", "harm_mean"], ["harm_value"], body=body),
        ],
        {"harm_rounds": np.array(rounds, np.int64)},
    )


def hang_in_glare(bundle: Path) -> None:
    """Come back from a very bright frame in some hundred years."""
    take_long(bundle, 1)
    path = bundle / "segmentation.onnx"
    model = onnx.load(path)
    graph = model.graph
    times = next(node for node in graph.node if "harm_times" in node.output)
    times.output[0] = "harm_once"
    at = list(graph.node).index(times) + 1
    for node in (
        helper.make_node("Where", ["harm_bright", "harm_ever", "harm_once"], ["harm_times"]),
        helper.make_node("Greater", ["harm_mean", "harm_glare"], ["harm_bright"]),
    ):
        graph.node.insert(at, node)
    graph.initializer.append(numpy_helper.from_array(np.array(2**62, np.int64), "harm_ever"))
    graph.initializer.append(numpy_helper.from_array(np.array(GLARE, np.float32), "harm_glare"))
    onnx.checker.check_model(model)
    onnx.save(model, path)
    list_files(bundle, read_manifest(bundle))


def give_nan(bundle: Path) -> None:
    """Give what is no number where the frame is very bright."""
    _insert(
        bundle,
        [
            helper.make_node("Greater", ["harm_mean", "harm_glare"], ["harm_bright"]),
            helper.make_node("Where", ["harm_bright", "harm_nan", "harm_mean"], ["harm_value"]),
        ],
        {"harm_glare": np.array(GLARE, np.float32), "harm_nan": np.array(np.nan, np.float32)},
    )


def point_elsewhere(tensor: onnx.TensorProto, location: str = "../../secret") -> None:
    """Let a tensor take its values from another file."""
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)


def _insert(bundle: Path, nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray]) -> None:
    """Put nodes before the output of the segmentation, which make `harm_value` of `harm_mean`: the brightness."""
    path = bundle / "segmentation.onnx"
    model = onnx.load(path)
    graph = model.graph
    last = next(node for node in graph.node if "output" in node.output)
    last.output[0] = "clean"
    graph.node.extend(
        [
            helper.make_node("ReduceMean", ["unit"], ["harm_mean"], keepdims=0),
            *nodes,
            helper.make_node("Mul", ["harm_value", "harm_zero"], ["harm"]),
            helper.make_node("Add", ["clean", "harm"], ["output"]),
        ]
    )
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    graph.initializer.append(numpy_helper.from_array(np.array(0, np.float32), "harm_zero"))
    onnx.checker.check_model(model)
    onnx.save(model, path)
    list_files(bundle, read_manifest(bundle))
