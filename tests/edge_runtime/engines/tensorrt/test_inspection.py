"""Layers as inspectors of TensorRT 8 to 11 write them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge_runtime.engines.tensorrt.inspection import achieved_precisions, check_precisions
from fissura.errors import EngineError


def _layer(name: str, **fields: Any) -> dict[str, Any]:
    return {"Name": name, "LayerType": "CaskConvolution", "ParameterType": "Convolution", **fields}


def _achieved(*layers: Any, convolutions: tuple[str, ...] = ("conv1",)) -> dict[str, str]:
    return achieved_precisions(json.dumps({"Layers": layers, "Bindings": ["image"]}), convolutions)


@pytest.mark.parametrize(
    ("text", "precision"),
    [
        ("Half", "fp16"),
        ("Channel major FP16 format where channel % 8 == 0", "fp16"),
        ("Thirty-two wide channel vectorized row major Int8 format", "int8"),
        ("Row major linear FP32", "fp32"),
        ("Float", "fp32"),
        ("BFloat16", "bf16"),
        ("Row major linear BF16", "bf16"),
        ("", "unknown"),
    ],
)
def test_spellings(text: str, precision: str) -> None:
    assert _achieved(_layer("conv1", Inputs=[{"Format/Datatype": text}])) == {"conv1": precision}


def test_the_weights_decide_over_the_input() -> None:
    layer = _layer("conv1", Inputs=[{"Format/Datatype": "Float"}], Weights={"Type": "Half", "Count": 3})
    assert _achieved(layer) == {"conv1": "fp16"}


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "conv1.weight + quantize + conv1 + relu"},
        {"name": "conv0 + relu || conv1 + relu"},
        {"name": "__myl_Fused", "Metadata": "[ONNX Layer: scale]\x1e[ONNX Layer: conv1]"},
        {"name": "__myl_Fused", "Metadata": "[ONNX Layer: scale]\x1f[ONNX Layer: conv1]", "LayerType": "kgen"},
    ],
)
def test_fused_layers_count_for_each_of_their_origins(fields: dict[str, Any]) -> None:
    layer = _layer(**fields, Inputs=[{"Format/Datatype": "Int8"}])
    assert _achieved(layer) == {"conv1": "int8"}


def test_copies_before_a_convolution_are_not_it() -> None:
    copy = _layer("Reformatting CopyNode for Input Tensor 0 to conv1", Inputs=[{"Format/Datatype": "Float"}])
    assert _achieved(copy, _layer("conv1", Weights={"Type": "Int8"})) == {"conv1": "int8"}


def test_a_name_within_another_name_is_another_layer() -> None:
    assert _achieved(_layer("conv11", Weights={"Type": "Half"})) == {"conv1": "unknown"}


def test_control_characters_as_8_6_writes_them_between_the_origins() -> None:
    """Seen on an H100; JSON forbids them."""
    origins = "[ONNX Layer: conv0]%[ONNX Layer: conv1]"
    layer = json.dumps(_layer("x", Metadata=origins, Weights={"Type": "Half"})).replace("%", "\x1e")
    assert "\x1e" in layer
    assert achieved_precisions(f'{{"Layers": [{layer}]}}', ["conv1"]) == {"conv1": "fp16"}


def test_names_without_details_tell_nothing() -> None:
    assert _achieved("conv1", "relu") == {"conv1": "unknown"}
    with pytest.raises(EngineError, match="list of layers"):
        achieved_precisions("ERROR", ["conv1"])


def test_a_convolution_in_fp32_that_should_not_be() -> None:
    expected = {"conv1": "int8", "conv2": "fp32"}
    check_precisions({"conv1": "int8", "conv2": "fp32"}, expected, "int8")  # the second was restored
    with pytest.raises(EngineError, match="1 of 2 convolutions came out in fp32: conv1"):
        check_precisions({"conv1": "fp32", "conv2": "fp32"}, expected, "int8")


def test_a_plan_that_is_all_unlike_what_was_asked() -> None:
    with pytest.raises(EngineError, match="none of 1 convolutions came out in fp16"):
        check_precisions({"conv1": "fp32"}, {"conv1": "fp32"}, "fp16")
    with pytest.raises(EngineError, match="none of 1"):
        check_precisions({"conv1": "unknown"}, {"conv1": "int8"}, "int8")
    check_precisions({"conv1": "fp16"}, {"conv1": "fp32"}, "fp32")
