"""Whether an ONNX graph keeps weights outside its file.

Such a file is not what its hash says, and could read whatever the process can: it is neither published nor opened. The
protobuf's fields are walked down to every tensor, in nodes' attributes, sub-graphs, functions and training graphs too,
without the package `onnx`, which no device has, and without copying weights.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from fissura.errors import BundleError

EXTERNAL_DATA, DATA_LOCATION = 13, 14  # fields of TensorProto
GRAPH = 7  # of ModelProto
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
DEEPEST = 100  # as protobuf itself has it
LARGEST_TAG = 2**32 - 1  # protobuf in C++ reads a larger one as if it had only these bits

# Message -> fields that hold messages in which a tensor can be, by number; from onnx.proto.
MESSAGES: dict[str, dict[int, str]] = {
    "Model": {GRAPH: "Graph", 20: "TrainingInfo", 25: "Function"},
    "TrainingInfo": {1: "Graph", 2: "Graph"},
    "Function": {7: "Node", 11: "Attribute"},
    "Graph": {1: "Node", 5: "Tensor", 15: "SparseTensor"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {},
}


def has_external_data(path: Path) -> bool:
    """Whether a graph's file refers to another file.

    Raises:
        BundleError: it is no ONNX graph.
    """
    try:
        with path.open("rb") as stream:
            data = memoryview(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
        if not any(number == GRAPH for number, _ in _fields(data)):
            raise ValueError("it holds no graph")
        return _is_external(data, "Model", 0)
    except (ValueError, IndexError) as error:
        raise BundleError(f"{path} is no ONNX graph: {error}", fix="export the bundle again") from error


def _is_external(message: memoryview, kind: str, depth: int) -> bool:
    if depth > DEEPEST:
        raise ValueError("graphs within graphs without end")
    for number, value in _fields(message):
        if kind == "Tensor" and (number == EXTERNAL_DATA or (number == DATA_LOCATION and value != 0)):
            return True
        inner = MESSAGES[kind].get(number)
        if inner is not None and isinstance(value, memoryview) and _is_external(value, inner, depth + 1):
            return True
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of every field; of fixed ones the bytes."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire = tag >> 3, tag & 7
        if tag > LARGEST_TAG or number == 0:
            raise ValueError(f"no protobuf: a field of number {number} before byte {at}")
        if wire == VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if wire == BYTES:
            length, at = _varint(message, at)
        elif wire in (FIXED32, FIXED64):
            length = 4 if wire == FIXED32 else 8
        else:
            raise ValueError(f"no protobuf: a field of type {wire} at byte {at}")
        if at + length > len(message):
            raise ValueError("it ends too early")
        yield number, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A number and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("no protobuf: a number without end")
