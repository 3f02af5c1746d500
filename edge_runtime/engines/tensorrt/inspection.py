"""The precision that each convolution of a plan really runs in, from TensorRT's inspector.

A builder may leave layers at higher precision without a word. So each convolution of the network is looked up among
the layers of the plan, which fuse several of them under a joint name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from fissura.errors import EngineError

UNKNOWN = "unknown"
# As the inspector spells element types: bare, or within a memory format such as 'Channel major FP16 format'.
SPELLINGS = (
    ("int8", ("int8",)),
    ("bf16", ("bf16", "bfloat16")),
    ("fp16", ("fp16", "half")),
    ("fp8", ("fp8",)),
    ("fp32", ("fp32", "float")),
)


def achieved_precisions(information: str, convolutions: Collection[str]) -> dict[str, str]:
    """Precision of each convolution: 'fp32', 'fp16', 'int8', ..., or 'unknown'.

    Args:
        information: JSON of `get_engine_information`, of an engine with detailed profiling verbosity.
        convolutions: their names in the network.

    Raises:
        EngineError: this is no such JSON.
    """
    try:
        layers = json.loads(information, strict=False)["Layers"]  # 8.6 writes control characters into names
    except (ValueError, KeyError, TypeError) as error:
        raise EngineError(f"TensorRT's inspector gives no list of layers: {error}") from error
    achieved = dict.fromkeys(convolutions, UNKNOWN)
    for layer in layers:
        if not isinstance(layer, dict):  # a bare name: the engine was built without details
            continue
        precision = _precision(layer)
        for name in _origins(layer) & achieved.keys():
            if achieved[name] == UNKNOWN or _is_convolution(layer):
                achieved[name] = precision
    return achieved


def check_precisions(achieved: Mapping[str, str], expected: Mapping[str, str], asked: str) -> None:
    """Refuse a plan that is not what it was asked to be.

    Args:
        achieved: of each convolution, from `achieved_precisions`.
        expected: of each convolution, from the network: layers that the accuracy gate restored are fp32 there too.
        asked: precision of the whole.

    Raises:
        EngineError: a convolution came out in fp32 that should not; or none came out as asked.
    """
    if asked == "fp32":
        return
    wrong = [name for name, precision in achieved.items() if precision == "fp32" and expected[name] != "fp32"]
    if wrong:
        raise EngineError(
            f"{len(wrong)} of {len(achieved)} convolutions came out in fp32: {', '.join(wrong[:3])}",
            expected=f"{asked}, as the graph says",
            fix="use another variant of the bundle, or TensorRT 10 and newer, which take each layer's type from it",
        )
    if asked not in achieved.values():
        raise EngineError(
            f"none of {len(achieved)} convolutions came out in {asked}",
            expected=f"a graph of precision {asked}, and a GPU that has it",
            fix="export the bundle again with that variant",
        )


def _precision(layer: Mapping[str, Any]) -> str:
    """Of the weights, which say what a convolution multiplies with; else of its first input."""
    weights = layer.get("Weights")
    if isinstance(weights, dict) and weights.get("Type"):
        return _spelled(str(weights["Type"]))
    inputs = layer.get("Inputs") or [{}]
    first = inputs[0] if isinstance(inputs[0], dict) else {}
    return _spelled(str(first.get("Format/Datatype") or first.get("Datatype") or first.get("DataType") or ""))


def _spelled(text: str) -> str:
    for precision, spellings in SPELLINGS:
        if any(spelling in text.lower() for spelling in spellings):
            return precision
    return UNKNOWN


def _origins(layer: Mapping[str, Any]) -> set[str]:
    """Names of the network's layers that this one does the work of."""
    named = re.findall(r"\[ONNX Layer: ([^\]]+)\]", str(layer.get("Metadata", "")))
    return {*named, *re.split(r"\s\+\s|\s\|\|\s", str(layer.get("Name", "")))}


def _is_convolution(layer: Mapping[str, Any]) -> bool:
    kinds = f"{layer.get('ParameterType', '')} {layer.get('LayerType', '')}"
    return "conv" in kinds.lower()
