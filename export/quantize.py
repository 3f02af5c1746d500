"""An fp32 graph at lower precision: fp16, or int8 by QDQ (quantise-dequantise pairs around the layers).

Two int8 flavours, since engines want different things:

* `int8-portable`: one file for ONNX Runtime and TensorRT. Weights and activations are symmetric s8, so that no zero
  point differs from 0, and biases stay fp32: NVIDIA's parser refuses both. Convolutions are quantised, and what only
  moves values between them (a seventh of a U-Net's time). Each input has a pair of its own, since ONNX Runtime on x64
  turns s8 pairs into u8 ones only where nobody else reads them, and leaves the layer in fp32 otherwise.
* `int8-cpu`: asymmetric u8 activations with int32 biases, and integers kept from layer to layer: the fastest on ONNX
  Runtime and OpenVINO on a CPU.

The layer that gives the logits stays fp32: integers there take the confidences' fine steps away for next to no time.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection
from typing import Any

import numpy as np
import onnx
from onnxconverter_common import float16
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorData, TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

from calibration.ranges import Ranges
from fissura.bundle import Role, VariantName

LARGEST_FP16 = 65504.0
WEIGHTED = ("Conv",)  # ONNX Runtime has no integer kernel for transposed ones, and TensorRT had wrong ones
MOVING = ("Concat", "MaxPool", "Resize")
PASSING = (*MOVING, "Relu", "Add", "DepthToSpace", "SpaceToDepth")
OPERATORS: dict[VariantName, tuple[str, ...]] = {"int8-portable": WEIGHTED + MOVING, "int8-cpu": WEIGHTED + PASSING}
NETWORK = {"super_resolution": "super_resolution"}  # whose layers a role's int8 is about; else the segmentation's


def to_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Weights and activations in fp16, for engines with strong typing; inputs, outputs and normalisation stay fp32."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of weights beyond fp16's ends, which become these ends
        halved: onnx.ModelProto = float16.convert_float_to_float16(
            copy, max_finite_val=LARGEST_FP16, keep_io_types=True, node_block_list=_before_weights(model)
        )
    return halved


def layers_of(model: onnx.ModelProto, role: Role) -> dict[str, str]:
    """The convolutions that int8 is about, but the last, by the name of the network's layer; values are node names.

    In a `fused` or a `tile` graph these are the segmentation's: super-resolution shows every step of 8 bits.
    """
    wanted = f"model.{NETWORK.get(role, 'segmentation')}."
    found = {}
    for node in model.graph.node:
        if node.op_type in WEIGHTED and node.input[1].startswith(wanted):
            found[node.input[1].removeprefix("model.").removesuffix(".weight")] = node.name
    return dict(list(found.items())[:-1])


def tensors_of(model: onnx.ModelProto, role: Role, flavour: VariantName) -> list[str]:
    """The activations whose ranges int8 needs."""
    weights = {tensor.name for tensor in model.graph.initializer}
    nodes = _nodes(model, role, flavour, ())
    names: dict[str, None] = {}
    for node in model.graph.node:
        if node.name in nodes:
            data = node.input if node.op_type in ("Concat", "Add") else node.input[:1]  # others: weights, sizes
            names |= dict.fromkeys(name for name in (*data, *node.output) if name and name not in weights)
    return list(names)


def to_int8(
    model: onnx.ModelProto, role: Role, flavour: VariantName, ranges: Ranges, restored: Collection[str] = ()
) -> onnx.ModelProto:
    """Quantise a graph.

    Args:
        model: fp32.
        role: of the graph.
        flavour: `int8-portable` or `int8-cpu`.
        ranges: of `tensors_of` at least.
        restored: layers (see `layers_of`) that stay fp32.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    portable = flavour == "int8-portable"
    # A scale of 0 has no meaning; a tensor that is 0 on all images gets the smallest range that has one.
    data = {name: _tensor(low, high) for name, (low, high) in ranges.items()}
    chosen = _nodes(model, role, flavour, restored)
    quantizer = QDQQuantizer(
        copy,
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QInt8 if portable else QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, data),
        nodes_to_quantize=sorted(chosen),
        nodes_to_exclude=[],
        op_types_to_quantize=list(OPERATORS[flavour]),
        extra_options={
            "ActivationSymmetric": portable,
            "WeightSymmetric": True,
            "QuantizeBias": not portable,
            "DedicatedQDQPair": portable,
        },
    )
    quantizer.quantize_model()
    if portable:
        _leave_floats(quantizer.model.model, chosen)
    quantizer.model.topological_sort()  # pairs were added at the end
    quantised: onnx.ModelProto = quantizer.model.model
    return quantised


def _nodes(model: onnx.ModelProto, role: Role, flavour: VariantName, restored: Collection[str]) -> set[str]:
    """Names of the nodes to quantise: the layers, and behind them what passes integers on."""
    layers = layers_of(model, role)
    chosen = {node for layer, node in layers.items() if layer not in restored}
    reached = {name for node in model.graph.node if node.name in chosen for name in node.output}
    for node in model.graph.node:  # in topological order
        if node.op_type in PASSING and any(name in reached for name in node.input):
            reached.update(node.output)
            if node.op_type in OPERATORS[flavour]:
                chosen.add(node.name)
    return chosen


def _leave_floats(model: onnx.ModelProto, quantised: Collection[str]) -> None:
    """Give the nodes that stay fp32 what was there before a pair, where they share its output with a quantised layer.

    The quantiser lets them read the pair's output. Its integers are then no longer the layer's alone, and ONNX Runtime
    leaves the layer in fp32.
    """
    makers = {name: node for node in model.graph.node for name in node.output}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for node in model.graph.node:
        pair = makers.get(node.input[0]) if node.op_type == "DequantizeLinear" else None
        if pair is None or getattr(makers.get(pair.input[0]), "name", "") in quantised:  # a layer's own output
            continue
        others = [reader for reader in readers.get(node.output[0], []) if reader.name not in quantised]
        if len(others) == len(readers.get(node.output[0], [])):
            continue
        for other in others:
            for position, name in enumerate(other.input):
                if name == node.output[0]:
                    other.input[position] = pair.input[0]


def _before_weights(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes between the image and the first layers: scaling and normalisation, and every cast.

    The converter takes casts to fp32 as they are and types what follows them wrongly, unless they are left alone.
    """
    weighted: set[str] = set()
    before = []
    for node in model.graph.node:  # in topological order
        if node.op_type.startswith("Conv") or any(name in weighted for name in node.input):
            weighted.update(node.output)
            if node.op_type == "Cast":
                before.append(node.name)
        else:
            before.append(node.name)
    return before


def _tensor(low: float, high: float) -> TensorData:
    if high - low < 1e-6:
        high = low + 1e-6
    values: dict[str, Any] = {"lowest": np.float32(low), "highest": np.float32(high)}
    return TensorData(**values)
