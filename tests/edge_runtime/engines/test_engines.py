"""One suite for every row of ENGINES: the same graphs, the same results, the same refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from edge_runtime.engines import ENGINES, open_engine
from edge_runtime.engines.engine import Engine
from fissura.bundle import Graph, Role, read_manifest
from fissura.errors import ConfigError, EngineError, ModelShapeError
from tests.bundles import DARKER_BY, NEIGHBOURHOOD_PX, STEEPNESS, Layout, make_bundle
from tests.edge_runtime.conftest import pavement


@pytest.fixture(params=list(ENGINES))
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "openvino":  # of an extra that not every environment has
        pytest.importorskip("openvino", reason="openvino is not installed")
    return str(request.param)


def _open(kind: str, bundle: Path, role: Role = "segmentation", changes: dict[str, object] | None = None) -> Engine:
    graph = read_manifest(bundle).graphs[role]
    return open_engine(kind, bundle / graph.file, _changed(graph, changes or {}), {})


def _changed(graph: Graph, changes: dict[str, object]) -> Graph:
    for path, value in changes.items():
        part, key = path.split("__")
        graph = graph.model_copy(update={part: getattr(graph, part).model_copy(update={key: value})})
    return graph


def _by_hand(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The test graph in numpy; valid away from the edges."""
    grey = image.astype(np.float64).mean(axis=2) / 255
    side = NEIGHBOURHOOD_PX
    windows = np.lib.stride_tricks.sliding_window_view(grey, (side, side))
    around = windows.mean(axis=(2, 3))
    inner = grey[side // 2 : -(side // 2), side // 2 : -(side // 2)]
    return np.asarray(1 / (1 + np.exp(-STEEPNESS * (around - inner - DARKER_BY))))


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_computes_the_graph(kind: str, tmp_path: Path, layout: Layout) -> None:
    engine = _open(kind, make_bundle(tmp_path / "bundle", roles=("segmentation",), layout=layout))
    for seed, (height, width) in enumerate([(72, 96), (40, 64)]):
        image = pavement(seed, width=width, height=height)
        batch = image[None] if layout == "NHWC" else np.ascontiguousarray(image.transpose(2, 0, 1))[None]
        output = engine.run(batch)
        assert output.shape == (1, 1, height, width) and output.dtype == np.float32
        half = NEIGHBOURHOOD_PX // 2
        np.testing.assert_allclose(output[0, 0, half:-half, half:-half], _by_hand(image), atol=1e-4)
    engine.close()


def test_enlarges_in_the_inputs_layout(kind: str, tmp_path: Path) -> None:
    engine = _open(kind, make_bundle(tmp_path / "bundle", roles=("super_resolution",)), "super_resolution")
    output = engine.run(np.full((1, 16, 24, 3), 51, np.uint8))
    assert output.shape == (1, 32, 48, 3)
    np.testing.assert_allclose(output, 0.2, atol=1e-6)
    engine.close()


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"input__name": "frame"}, "inputs are 'image'"),
        ({"output__name": "mask"}, "outputs are 'output'"),
        ({"input__layout": "NCHW"}, "input 'image'|gives"),
        ({"output__scale": 2}, "gives"),
        ({"output__kind": "image"}, "gives"),
    ],
)
def test_a_graph_that_is_not_what_the_manifest_says(
    kind: str, bundle: Path, changes: dict[str, object], found: str
) -> None:
    with pytest.raises(ModelShapeError, match=found) as caught:
        _open(kind, bundle, changes=changes)
    assert "manifest" in caught.value.expected and caught.value.fix


def test_a_graph_that_wants_floats_is_refused(kind: str, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle", roles=("segmentation",))
    model = onnx.load(bundle / "segmentation.onnx")
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    onnx.save(model, bundle / "segmentation.onnx")
    with pytest.raises(ModelShapeError, match=r"tensor\(float\)"):
        _open(kind, bundle)


@pytest.mark.parametrize("inside", ["first only", "reshaped"])
def test_a_free_batch_axis_that_holds_one_image_is_refused(kind: str, tmp_path: Path, inside: str) -> None:
    bundle = make_bundle(tmp_path / "bundle", roles=("segmentation",))
    model = onnx.load(bundle / "segmentation.onnx")
    for node in model.graph.node:
        node.output[:] = ["of all" if name == "output" else name for name in node.output]
    if inside == "first only":
        indices = onnx.numpy_helper.from_array(np.array([0]), "first")
        last = onnx.helper.make_node("Gather", ["of all", "first"], ["output"], axis=0)
    else:
        indices = onnx.numpy_helper.from_array(np.array([1, 1, 8, 8]), "first")
        last = onnx.helper.make_node("Reshape", ["of all", "first"], ["output"])
    model.graph.initializer.append(indices)
    model.graph.node.append(last)
    onnx.checker.check_model(model)
    onnx.save(model, bundle / "segmentation.onnx")
    with pytest.raises(ModelShapeError, match=r"two images|a batch of shape \(2, ") as caught:
        _open(kind, bundle)
    assert caught.value.fix


def test_a_file_that_is_no_graph(kind: str, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle", roles=("segmentation",))
    (bundle / "segmentation.onnx").write_bytes(b"no graph")
    with pytest.raises(EngineError, match="cannot be loaded"):
        _open(kind, bundle)


def test_a_batch_that_does_not_fit_is_an_error_of_ours(kind: str, bundle: Path) -> None:
    engine = _open(kind, bundle)
    with pytest.raises(EngineError, match="cannot run a batch"):
        engine.run(np.zeros((1, 16, 16, 4), np.uint8))
    assert engine.run(np.zeros((1, 16, 16, 3), np.uint8)).shape == (1, 1, 16, 16)  # and it goes on
    engine.close()


def test_unknown_engine_and_option(bundle: Path) -> None:
    graph = read_manifest(bundle).graphs["segmentation"]
    with pytest.raises(ConfigError, match="no engine 'tpu'"):
        open_engine("tpu", bundle / graph.file, graph, {})
    with pytest.raises(ConfigError, match="threads"):
        open_engine("onnxruntime", bundle / graph.file, graph, {"threads": 99_999_999_999})
    with pytest.raises(ConfigError, match="thread") as caught:
        open_engine("onnxruntime", bundle / graph.file, graph, {"thread": 1})
    assert "threads" in caught.value.fix
