"""Inputs and outputs of a network and of a plan, in the terms in which graphs are checked against the manifest."""

from __future__ import annotations

from typing import Any

from edge_runtime.engines.checks import Port


def network_ports(network: Any) -> tuple[list[Port], list[Port]]:
    """Inputs and outputs of a parsed network."""
    inputs = [network.get_input(index) for index in range(network.num_inputs)]
    outputs = [network.get_output(index) for index in range(network.num_outputs)]
    return [_port(one.name, one.dtype, one.shape) for one in inputs], [
        _port(one.name, one.dtype, one.shape) for one in outputs
    ]


def plan_ports(trt: Any, engine: Any) -> tuple[list[Port], list[Port]]:
    """Inputs and outputs of a deserialized plan."""
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    ports = {name: _port(name, engine.get_tensor_dtype(name), engine.get_tensor_shape(name)) for name in names}
    inputs = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
    return [ports[name] for name in inputs], [ports[name] for name in names if name not in inputs]


def _port(name: str, dtype: Any, shape: Any) -> Port:
    """TensorRT's names of element types are ONNX's in capitals, as far as manifests go: FLOAT, UINT8."""
    return Port(name, f"tensor({dtype.name.lower()})", tuple(None if axis < 0 else int(axis) for axis in shape))
