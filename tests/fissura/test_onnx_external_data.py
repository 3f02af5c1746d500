from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from fissura.errors import BundleError
from fissura.onnx_external_data import has_external_data

TINY = Path(__file__).parents[2] / "examples" / "bundles" / "tiny"


def outside() -> TensorProto:
    tensor = numpy_helper.from_array(np.ones(4, np.float32), "weights")
    onnx.external_data_helper.set_external_data(tensor, "weights.bin")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    return tensor


def graph(nodes: list[onnx.NodeProto], *initializers: TensorProto) -> onnx.GraphProto:
    return helper.make_graph(nodes, "graph", [], [], list(initializers))


def constant(tensor: TensorProto) -> onnx.NodeProto:
    return helper.make_node("Constant", [], ["c"], value=tensor)


def branch(inner: onnx.GraphProto) -> onnx.NodeProto:
    empty = graph([helper.make_node("Identity", ["x"], ["y"])])
    return helper.make_node("If", ["which"], ["y"], then_branch=empty, else_branch=inner)


def sparse() -> onnx.SparseTensorProto:
    indices = numpy_helper.from_array(np.arange(4), "indices")
    return helper.make_sparse_tensor(outside(), indices, [4])


def function() -> onnx.ModelProto:
    made = helper.make_function("d", "f", [], ["c"], [constant(outside())], [helper.make_opsetid("", 20)])
    return helper.make_model(graph([helper.make_node("Identity", ["x"], ["y"])]), functions=[made])


def training() -> onnx.ModelProto:
    model = helper.make_model(graph([helper.make_node("Identity", ["x"], ["y"])]))
    model.training_info.add().algorithm.CopyFrom(graph([], outside()))
    return model


HIDDEN = {
    "initializer": helper.make_model(graph([], outside())),
    "attribute": helper.make_model(graph([constant(outside())])),
    "branch": helper.make_model(graph([branch(graph([], outside()))])),
    "branch in a branch": helper.make_model(graph([branch(graph([branch(graph([constant(outside())]))]))])),
    "sparse initializer": helper.make_model(helper.make_graph([], "g", [], [], sparse_initializer=[sparse()])),
    "sparse attribute": helper.make_model(graph([helper.make_node("Constant", [], ["c"], sparse_value=sparse())])),
    "list of tensors": helper.make_model(graph([helper.make_node("Any", [], ["c"], values=[outside()])])),
    "list of graphs": helper.make_model(graph([helper.make_node("Any", [], ["c"], parts=[graph([], outside())])])),
    "function": function(),
    "training": training(),
}


@pytest.mark.parametrize("place", HIDDEN)
def test_weights_outside_are_found_wherever_they_hide(tmp_path: Path, place: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(HIDDEN[place].SerializeToString())
    assert has_external_data(path)


def test_a_location_without_the_flag_is_enough(tmp_path: Path) -> None:
    tensor = outside()
    tensor.ClearField("data_location")
    path = tmp_path / "model.onnx"
    path.write_bytes(helper.make_model(graph([], tensor)).SerializeToString())
    assert has_external_data(path)


def test_a_second_graph_field_is_looked_at_too(tmp_path: Path) -> None:
    """Protobuf merges a field that stands twice."""
    whole = helper.make_model(graph([helper.make_node("Identity", ["x"], ["y"])])).SerializeToString()
    path = tmp_path / "model.onnx"
    path.write_bytes(whole)
    assert not has_external_data(path)
    path.write_bytes(whole + HIDDEN["initializer"].SerializeToString())
    assert has_external_data(path)


def test_whole_graphs_are_whole() -> None:
    paths = list(TINY.glob("*.onnx"))
    assert len(paths) == 3
    assert not any(has_external_data(path) for path in paths)


def varint(value: int) -> bytes:
    data = b""
    while value > 0x7F:
        data, value = data + bytes([value & 0x7F | 0x80]), value >> 7
    return data + bytes([value])


def field(number: int, value: bytes | int, beyond: int = 0) -> bytes:
    """A field of a protobuf message.

    Args:
        number: of the field.
        value: a message or text, or a number.
        beyond: bits of the tag that no tag has.
    """
    wire = 0 if isinstance(value, int) else 2
    tag = varint((number << 3 | wire) + (beyond << 32))
    return tag + (varint(value) if isinstance(value, int) else varint(len(value)) + value)


def adding_weights(beyond: int) -> bytes:
    """A graph that adds weights from another file to its input, whose flags have such tags."""
    location = field(1, b"location") + field(2, b"weights.bin")
    weights = field(1, 4) + field(2, TensorProto.FLOAT) + field(8, b"w")
    weights += field(13, location, beyond) + field(14, TensorProto.EXTERNAL, beyond)
    kind = field(2, field(1, field(1, 1) + field(2, field(1, field(1, 4)))))
    node = field(1, b"x") + field(1, b"w") + field(2, b"y") + field(4, b"Add")
    inner = field(1, node) + field(2, b"g") + field(5, weights) + field(11, field(1, b"x") + kind)
    return field(1, 8) + field(8, field(2, 13)) + field(7, inner + field(12, field(1, b"y") + kind))


@pytest.mark.parametrize("beyond", [1, 3, 7])
def test_tags_that_only_the_engine_understands_are_refused(tmp_path: Path, beyond: int) -> None:
    """Protobuf in C++ drops bits beyond the 32nd; the engine then reads the other file."""
    session = pytest.importorskip("onnxruntime").InferenceSession
    np.arange(4, dtype=np.float32).tofile(tmp_path / "weights.bin")
    path = tmp_path / "model.onnx"
    path.write_bytes(adding_weights(0))
    assert has_external_data(path)
    path.write_bytes(adding_weights(beyond))
    (y,) = session(str(path), providers=["CPUExecutionProvider"]).run(None, {"x": np.zeros(4, np.float32)})
    np.testing.assert_array_equal(y, np.arange(4))
    with pytest.raises(BundleError, match="no ONNX graph"):
        has_external_data(path)


def test_a_field_without_a_number_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    whole = helper.make_model(graph([helper.make_node("Identity", ["x"], ["y"])])).SerializeToString()
    path.write_bytes(whole + field(0, b"x"))
    with pytest.raises(BundleError, match="no ONNX graph"):
        has_external_data(path)


@pytest.mark.parametrize("data", [b"", b"\x00", b"no graph at all", b"\x3a\xff\xff\xff\xff\x0f", b"\xff" * 100])
def test_what_is_no_graph_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    with pytest.raises(BundleError, match="no ONNX graph"):
        has_external_data(path)


def test_graphs_without_end_are_refused(tmp_path: Path) -> None:
    data = b""
    for _ in range(2000):
        data = field(6, field(1, field(5, data)))  # a graph in an attribute of a node of a graph
    path = tmp_path / "model.onnx"
    path.write_bytes(field(7, field(1, field(5, data))))
    with pytest.raises(BundleError, match="without end"):
        has_external_data(path)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255), cut=st.booleans())
def test_damage_gives_an_answer_or_an_error_and_nothing_else(tmp_path: Path, at: float, value: int, cut: bool) -> None:
    data = bytearray(HIDDEN["branch in a branch"].SerializeToString())
    index = int(at * len(data))
    data[index] = value
    path = tmp_path / "model.onnx"
    path.write_bytes(data[:index] if cut else data)
    try:
        assert has_external_data(path) in (True, False)
    except BundleError as error:
        assert "no ONNX graph" in error.found


def tensors(message: Any) -> Iterator[TensorProto]:
    """All that protobuf itself finds, wherever."""
    if isinstance(message, TensorProto):
        yield message
    for descriptor, value in message.ListFields():
        if descriptor.type == descriptor.TYPE_MESSAGE:
            for inner in value if isinstance(value, Sequence) else [value]:
                yield from tensors(inner)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.sampled_from(sorted(HIDDEN)),
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=6), st.integers(0, 3)), max_size=4
    ),
)
def test_what_protobuf_finds_outside_is_never_overlooked(
    tmp_path: Path, place: str, changes: list[tuple[float, bytes, int]]
) -> None:
    data = HIDDEN[place].SerializeToString()
    for at, new, dropped in changes:
        index = int(at * len(data))
        data = data[:index] + new + data[index + dropped :]
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    try:
        found = any(
            tensor.data_location == TensorProto.EXTERNAL or tensor.external_data
            for tensor in tensors(onnx.ModelProto.FromString(data))
        )
    except DecodeError:
        return
    if found:
        try:
            assert has_external_data(path)
        except BundleError as error:
            assert "no ONNX graph" in error.found
