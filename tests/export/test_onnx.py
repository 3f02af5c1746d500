"""Exported graphs: any size, the same bytes each time, nothing of the machine that made them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from export.onnx import ExportedGraph, export_graph, roles_of
from export.parity import reference
from export.vehicle import running
from fissura.bundle import Bundle, Role
from tests.export.conftest import Made, small_model
from train.model import ModelConfig, build_model

ROLES: tuple[Role, ...] = ("segmentation", "super_resolution", "fused")


def stored(bundle: Bundle, role: Role) -> ExportedGraph:
    graph = bundle.graph(role)
    return ExportedGraph(role, bundle.graph_path(role).read_bytes(), graph.input, graph.output, graph.halo)


def test_roles() -> None:
    assert roles_of(small_model()) == ROLES
    assert roles_of(small_model(super_resolution=False)) == ("segmentation",)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("size", [(1, 1), (8, 12), (37, 51), (128, 64), (3, 200)])
def test_any_size_gives_what_pytorch_gives(made: Made, role: Role, size: tuple[int, int]) -> None:
    graph = stored(made.bundle, role)
    frame = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    with running(stored(made.bundle, role)) as run:
        found = run(frame)
    expected = reference(small_model(), graph, frame)
    assert (
        found.shape == expected.shape == (size[0] * graph.output.scale, size[1] * graph.output.scale, 3)[: found.ndim]
    )
    assert found.ndim == (3 if role == "super_resolution" else 2)
    assert np.abs(found - expected).max() < 1e-5
    assert found.min() >= 0
    assert found.max() <= 1


def test_nchw_graphs_give_the_same(made: Made) -> None:
    frame = np.random.default_rng(2).integers(0, 256, (30, 45, 3), np.uint8)
    for role in ("super_resolution", "fused"):
        graph = export_graph(small_model(), role, "NCHW")
        assert graph.input.layout == "NCHW"
        with running(graph) as run, running(stored(made.bundle, role)) as run_stored:
            np.testing.assert_allclose(run(frame), run_stored(frame), atol=1e-6)


@pytest.mark.parametrize(
    "role", ["segmentation", *(pytest.param(role, marks=pytest.mark.slow) for role in ROLES if role != "segmentation")]
)
def test_a_free_batch_takes_several_frames_and_gives_each_its_own(made: Made, role: Role) -> None:
    graph = export_graph(small_model(), role, free_batch=True)
    frames = np.random.default_rng(3).integers(0, 256, (3, 16, 24, 3), np.uint8)
    session = onnxruntime.InferenceSession(graph.onnx, providers=["CPUExecutionProvider"])
    together = session.run(None, {graph.input.name: frames})[0]
    with running(stored(made.bundle, role)) as run:
        for frame, found in zip(frames, together, strict=True):
            np.testing.assert_allclose(found if role == "super_resolution" else found[0], run(frame), atol=1e-5)


@pytest.mark.parametrize("role", ROLES)
def test_second_export_has_the_same_bytes(made: Made, role: Role) -> None:
    """The first was made in another process, from weights that were saved and loaded."""
    assert export_graph(small_model(), role).onnx == made.bundle.graph_path(role).read_bytes()


@pytest.mark.parametrize("role", ROLES)
def test_graph_is_one_clean_file(made: Made, role: Role) -> None:
    content = made.bundle.graph_path(role).read_bytes()
    model = onnx.load_from_string(content)
    onnx.checker.check_model(model, full_check=True)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 20)]
    assert not model.functions
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in model.graph.initializer)
    root = Path(__file__).parents[2]
    for trace in (str(root), str(Path.home()), ".py", "pkg.torch", "site-packages", str(made.checkpoint)):
        assert trace.encode() not in content, trace


@pytest.mark.parametrize(
    ("role", "multiple", "input_sizes", "output_sizes"),
    [
        ("segmentation", 4, ["4*h", "4*w"], ["4*h", "4*w"]),
        ("super_resolution", 1, ["h", "w"], ["2*h", "2*w"]),
        ("fused", 2, ["2*h", "2*w"], ["4*h", "4*w"]),
    ],
)
def test_sizes_are_stated_in_the_graph_and_in_the_manifest(
    made: Made, role: Role, multiple: int, input_sizes: list[str], output_sizes: list[str]
) -> None:
    graph = onnx.load(made.bundle.graph_path(role)).graph
    shapes = [
        [dim.dim_param or dim.dim_value for dim in v.type.tensor_type.shape.dim] for v in (*graph.input, *graph.output)
    ]
    assert shapes[0] == [1, *input_sizes, 3]
    assert shapes[1] == ([1, *output_sizes, 3] if role == "super_resolution" else [1, 1, *output_sizes])
    entry = made.bundle.graph(role)
    assert (entry.input.multiple, entry.input.min_size, entry.input.layout) == (multiple, multiple, "NHWC")
    assert entry.output.name != entry.input.name


@pytest.mark.parametrize(
    ("scale", "widths"),
    [
        (2, (2, 2, 2)),
        pytest.param(4, (2, 2, 2), marks=pytest.mark.slow),
        pytest.param(2, (2, 2, 2, 2), marks=pytest.mark.slow),
    ],
)
def test_halo_of_the_fused_graph_holds_and_is_not_wasteful(scale: int, widths: tuple[int, ...]) -> None:
    """What a frame pixel changes lies within the halo, measured in frame pixels."""
    config = ModelConfig(
        segmentation={"name": "unet", "widths": widths},
        super_resolution={"name": "dbpn", "scale": scale, "stages": 2, "width": 2, "features": 4},
        mean=(0, 0, 0),
        std=(1, 1, 1),
    )
    model = build_model(config).double().eval()
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            torch.nn.init.uniform_(module.weight, 0.1, 1.0)
            if module.bias is not None:
                torch.nn.init.zeros_(module.bias)
    halo = export_graph(model.float(), "fused").halo
    model.double()
    reaches = []
    for position in range(60, 60 + model.stride):
        frame = torch.zeros(1, 3, 128, 8 * scale, dtype=torch.float64)
        frame[..., position, 3] = 1
        with torch.no_grad():
            changed = model(frame)[0, 0].ne(0.5)  # the logit 0
            rows = changed.any(1).nonzero().flatten() // scale
        reaches += [position - int(rows.min()), int(rows.max()) - position]
    assert max(reaches) <= halo
    assert halo - max(reaches) <= 1 + model.stride // scale


@pytest.mark.parametrize("role", [pytest.param("segmentation", marks=pytest.mark.slow), "tile"])
def test_shapes_are_sliced_and_any_size_and_batch_gives_what_pytorch_gives(role: Role) -> None:
    """A strided network asks for its sizes; TensorRT 8.6 gives a whole shape where a part of it is asked for."""
    torch.manual_seed(0)
    model = build_model(ModelConfig(segmentation={"name": "strided_unet", "widths": [4, 8, 16]})).eval()
    graph = export_graph(model, role)
    nodes = onnx.load_from_string(graph.onnx).graph.node
    kinds = [node.op_type for node in nodes]
    assert kinds.count("Slice") == kinds.count("Shape") > 0
    assert not any(node.attribute for node in nodes if node.op_type == "Shape")
    session = onnxruntime.InferenceSession(graph.onnx, providers=["CPUExecutionProvider"])
    for batch, height, width in ((1, 1, 2), (1, 3, 1), *([(3, 2, 5)] if role == "tile" else [])):
        sides = (height * graph.input.multiple, width * graph.input.multiple)
        pixels = np.random.default_rng(3).integers(0, 256, (batch, *sides, 3), np.uint8)
        (found,) = session.run(None, {graph.input.name: pixels})
        with torch.no_grad():
            expected = model(torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255).numpy()
        np.testing.assert_allclose(found, expected, atol=1e-5)
