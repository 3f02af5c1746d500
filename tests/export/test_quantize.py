"""Graphs at lower precision: near their originals, and built of what the engines take."""

from __future__ import annotations

from functools import cache

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from calibration.histogram import Histogram
from calibration.ranges import Range, observe, quantiser_of, ranges_by
from edge_runtime.statistics import frame_statistics
from export.onnx import ExportedGraph, export_graph
from export.pavement import pavement
from export.quantize import layers_of, tensors_of, to_fp16, to_int8
from export.vehicle import running
from fissura.bundle import Role, VariantName
from tests.train.networks.test_contract import narrow_options
from train.model import ModelConfig, build_model
from train.networks import NETWORKS

FLAVOURS: tuple[VariantName, ...] = ("int8-portable", "int8-cpu")
UNET = {"name": "unet", "widths": [4, 8, 16], "upsampling": "resize"}
ABPN = {"name": "abpn", "width": 8, "depth": 2}
DBPN = {"name": "dbpn", "scale": 4, "stages": 2, "width": 4, "features": 8}
UNET16 = {"name": "unet16", "widths": [2, 4, 8, 8, 8]}
FAMILIES: dict[str, tuple[Role, ModelConfig]] = {
    "unet": ("segmentation", ModelConfig(segmentation=UNET)),
    "unet, deconvolutions": ("segmentation", ModelConfig(segmentation={**UNET, "upsampling": "deconv"})),
    "light": ("segmentation", ModelConfig(segmentation={"name": "hrsegnet", "width": 8})),
    "strided": ("segmentation", ModelConfig(segmentation={"name": "strided_unet", "widths": [4, 8]})),
    "unet16": ("segmentation", ModelConfig(segmentation=UNET16)),
    "hed": ("segmentation", ModelConfig(segmentation=narrow_options(NETWORKS["hed"].config, "hed"))),
    "cssr": (
        "fused",
        ModelConfig(segmentation=UNET16, super_resolution=DBPN, normalisation="instance"),
    ),
    "cssr in tiles": ("tile", ModelConfig(segmentation=UNET, super_resolution=ABPN, normalisation="instance")),
    "super-resolution": ("super_resolution", ModelConfig(segmentation=UNET, super_resolution=ABPN)),
}
# Seconds each in the exporter.
SLOW = {"spiral", "strided", "unet, deconvolutions", "super-resolution"}
FAMILIES["spiral"] = (
    "segmentation",
    ModelConfig(segmentation=narrow_options(NETWORKS["spiral_net"].config, "spiral_net")),
)
NAMES = [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in FAMILIES]


@cache
def exported(family: str) -> ExportedGraph:
    role, config = FAMILIES[family]
    torch.manual_seed(3)
    model = build_model(config).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)  # type: ignore[operator,union-attr]  # buffers, by torch's stubs tensors
        elif isinstance(module, torch.nn.Conv2d) and module.bias is not None:  # equal ones would become one tensor
            torch.nn.init.normal_(module.bias, std=0.1)
    return export_graph(model, role)


@cache
def histograms_of(family: str) -> dict[str, Histogram]:
    graph = exported(family)
    model = onnx.load_from_string(graph.onnx)
    names = {name: None for flavour in FLAVOURS for name in tensors_of(model, graph.role, flavour)}

    def feed(index: int) -> dict[str, NDArray[np.generic]]:
        frame = pavement(index, 64, 96)
        batch: dict[str, NDArray[np.generic]] = {"image": frame[None]}
        return batch if graph.statistics is None else {**batch, graph.statistics: frame_statistics(frame)}

    return observe(model, list(names), (feed(index) for index in range(3)))


def quantised(family: str, flavour: VariantName, restored: tuple[str, ...] = ()) -> ExportedGraph:
    graph = exported(family)
    ranges = ranges_by("min_max", histograms_of(family), symmetric=flavour == "int8-portable")
    model = to_int8(onnx.load_from_string(graph.onnx), graph.role, flavour, ranges, restored)
    return graph.as_variant(flavour, model)


def initializers(model: onnx.ModelProto) -> dict[str, NDArray[np.generic]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


@pytest.mark.parametrize("family", NAMES)
def test_the_portable_file_is_one_that_tensorrt_takes(family: str) -> None:
    model = onnx.load_from_string(quantised(family, "int8-portable").onnx)
    onnx.checker.check_model(model, full_check=True)
    values = initializers(model)
    pairs = [node for node in model.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert pairs
    for node in pairs:
        assert node.input[2] in values
        assert not values[node.input[2]].any(), f"{node.name} has a zero point"
        assert values[node.input[2]].dtype == np.int8, f"{node.name} has another type than s8"
        if node.input[0] in values:
            assert values[node.input[0]].dtype != np.int32, f"{node.name} is the bias of a layer"
    for node in model.graph.node:
        if node.op_type == "Resize":
            assert not any(attribute.name == "antialias" and attribute.i for attribute in node.attribute)


@pytest.mark.parametrize("family", NAMES)
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_int8_is_near_the_original(family: str, flavour: VariantName) -> None:
    graph, lower = exported(family), quantised(family, flavour)
    assert (lower.file, lower.precision) == (f"{graph.role}.{flavour}.onnx", "int8")
    assert len(lower.onnx) < len(graph.onnx) * 1.5  # of networks so narrow most is not weights
    for height, width in ((64, 96), (37, 51)):
        frame = pavement(7, height, width)
        with running(graph) as run, running(lower) as run_lower:
            expected, found = run(frame).copy(), run_lower(frame)
        assert found.shape == expected.shape
        difference = np.abs(found - expected)
        assert difference.mean() < 0.02
        assert difference.max() > 0, "nothing was quantised"


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_all_layers_but_the_last_are_quantised_and_restored_ones_are_not(flavour: VariantName) -> None:
    original = onnx.load_from_string(exported("unet").onnx)
    layers = layers_of(original, "segmentation")
    assert "segmentation.encoders.0.0" in layers
    assert "segmentation.head" not in layers
    assert len(layers) == sum(node.op_type == "Conv" for node in original.graph.node) - 1
    keep = tuple(layers)[:2]
    for restored in ((), keep):
        model = onnx.load_from_string(quantised("unet", flavour, restored).onnx)
        weights = {tensor.name for tensor in model.graph.initializer if tensor.data_type == TensorProto.FLOAT}
        floating = {layer for layer in layers if f"model.{layer}.weight" in weights}
        assert floating == set(restored)


def test_only_the_asked_for_network_of_a_fused_graph_is_quantised() -> None:
    assert all(layer.startswith("segmentation.") for layer in layers_of(_model("cssr"), "fused"))
    assert all(
        layer.startswith("super_resolution.") for layer in layers_of(_model("super-resolution"), "super_resolution")
    )
    floats = initializers(onnx.load_from_string(quantised("cssr", "int8-cpu").onnx))
    untouched = [name for name in floats if name.startswith("model.super_resolution.") and name.endswith("weight")]
    assert untouched
    assert all(floats[name].dtype == np.float32 for name in untouched)


def test_the_cpu_file_passes_integers_on() -> None:
    model = onnx.load_from_string(quantised("unet", "int8-cpu").onnx)
    values = initializers(model)
    quantisers = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    assert {values[node.input[2]].dtype for node in quantisers} == {np.dtype(np.uint8)}
    makers = {name: node for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        if node.op_type == "Concat":
            assert {makers[name].op_type for name in node.input} == {"DequantizeLinear"}
    assert any(values[node.input[0]].dtype == np.int32 for node in model.graph.node if _dequantises(node, values))


@pytest.mark.parametrize("family", NAMES)
def test_fp16_keeps_inputs_and_outputs(family: str) -> None:
    graph = exported(family)
    halved = graph.as_variant("fp16", to_fp16(onnx.load_from_string(graph.onnx)))
    model = onnx.load_from_string(halved.onnx)
    onnx.checker.check_model(model, full_check=True)
    before = onnx.load_from_string(graph.onnx).graph
    assert [value.type.tensor_type.elem_type for value in (*model.graph.input, *model.graph.output)] == [
        value.type.tensor_type.elem_type for value in (*before.input, *before.output)
    ]
    weights = [tensor for tensor in model.graph.initializer if tensor.name.endswith("weight") and len(tensor.dims) == 4]
    assert {tensor.data_type for tensor in weights} == {TensorProto.FLOAT16}
    frame = pavement(1, 40, 56)
    with running(graph) as run, running(halved) as run_halved:
        assert np.abs(run(frame).copy() - run_halved(frame)).max() < 0.01


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_same_ranges_give_the_same_bytes(flavour: VariantName) -> None:
    assert quantised("unet", flavour).onnx == quantised("unet", flavour).onnx
    fp16 = [to_fp16(_model("unet")).SerializeToString(deterministic=True) for _ in range(2)]
    assert fp16[0] == fp16[1]


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("found", [Range(-3.0, 5.0), Range(0.0, 6.0), Range(-2.0, 0.0)])
def test_the_quantiser_is_the_one_that_ranges_are_chosen_for(flavour: VariantName, found: Range) -> None:
    model = to_int8(_model("unet"), "segmentation", flavour, dict.fromkeys(histograms_of("unet"), found))
    values = initializers(model)
    pairs = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    assert pairs
    steps, lowest, highest = quantiser_of(found, symmetric=flavour == "int8-portable")
    for node in pairs:
        scale, zero = values[node.input[1]], values[node.input[2]]
        info = np.iinfo(zero.dtype)
        assert float(scale) == pytest.approx(steps, rel=1e-6)
        assert (info.min - int(zero), info.max - int(zero)) == (lowest, highest)


def test_a_tensor_that_is_always_zero_gets_a_scale() -> None:
    ranges = dict.fromkeys(histograms_of("unet"), Range(0.0, 0.0))
    model = to_int8(_model("unet"), "segmentation", "int8-cpu", ranges)
    scales = [values for name, values in initializers(model).items() if name.endswith("_scale")]
    assert all((values > 0).all() for values in scales)


def _model(family: str) -> onnx.ModelProto:
    return onnx.load_from_string(exported(family).onnx)


def _dequantises(node: onnx.NodeProto, values: dict[str, NDArray[np.generic]]) -> bool:
    return bool(node.op_type == "DequantizeLinear" and node.input[0] in values)
