"""Every network of the table, and paper 004's pair, as ONNX: the vehicle's engine gives what PyTorch gives."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from export.onnx import ExportedGraph, export_graph
from export.parity import LIMIT, reference
from export.vehicle import running
from fissura.bundle import Role
from tests.train.networks.test_contract import narrow_options
from train.model import CrackModel, ModelConfig, build_model
from train.networks import NETWORKS, SUPER_RESOLUTION_NETWORKS

# The exporter takes seconds a network: the one that is made for vehicles is tested every time, the others as slow.
NAMES = [name if name == "hrsegnet" else pytest.param(name, marks=pytest.mark.slow) for name in sorted(NETWORKS)]


@pytest.mark.parametrize("name", NAMES)
def test_networks_export(name: str) -> None:
    torch.manual_seed(0)
    model = build_model(ModelConfig(segmentation=narrow_options(NETWORKS[name].config, name))).eval()
    _move_statistics(model)
    graph = export_graph(model, "segmentation")
    _assert_same_as_pytorch(model, graph, [(64, 80), (37, 51), (5, 200)])
    assert graph.halo == model.segmentation.halo
    operators = _operators(graph)
    assert "BatchNormalization" not in operators  # folded into the convolutions
    if name == "hrsegnet":  # what only training needs is left out: stem, stages and head remain
        assert len(model.segmentation.training_logits(torch.rand(1, 3, 32, 32))) == 3
        assert (operators.count("Conv"), operators.count("DepthToSpace")) == (2 + 3 * 5 + 2, 1)


@pytest.mark.parametrize("role", ["segmentation", "fused"])
def test_cssr_with_instance_normalisation(role: Role) -> None:
    config = ModelConfig(
        segmentation={"name": "unet16", "widths": [2, 4, 8, 8, 8]},
        super_resolution={"name": "dbpn", "scale": 4, "stages": 2, "width": 4, "features": 8},
        normalisation="instance",
    )
    torch.manual_seed(0)
    model = build_model(config).eval()
    graph = export_graph(model, role)
    _assert_same_as_pytorch(model, graph, [(32, 48), (9, 13), (1, 50)])
    assert _operators(graph).count("InstanceNormalization") == 1
    assert graph.halo is None  # the whole frame
    assert graph.entry(0.5).halo is None


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name == "dbpn" else name
        for name in sorted(SUPER_RESOLUTION_NETWORKS)
    ],
)  # DBPN goes through the exporter above, too
def test_super_resolution_exports(name: str) -> None:
    config = ModelConfig(
        segmentation={"name": "unet", "widths": [2, 4]},
        super_resolution=narrow_options(SUPER_RESOLUTION_NETWORKS[name].config, name),
    )
    torch.manual_seed(0)
    model = build_model(config).eval()
    assert model.super_resolution is not None
    for parameter in model.super_resolution.parameters():  # not the start, where a correction may be zero
        nn.init.normal_(parameter, std=0.2)
    graph = export_graph(model, "super_resolution")
    _assert_same_as_pytorch(model, graph, [(16, 12), (5, 9), (1, 1)])
    assert (graph.input.multiple, graph.output.scale, graph.halo) == (1, 4, model.super_resolution.halo)
    if name == "abpn":  # nothing that an 8-bit engine would have to leave to a slower one
        inner = set(_operators(graph)) - {"Transpose", "Cast", "Div", "Clip"}  # from pixels to [0, 1] and back
        assert inner == {"Conv", "Relu", "Add", "DepthToSpace"}


def _move_statistics(model: nn.Module) -> None:
    """Running statistics that differ from the start's, so that folding them shows."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.linspace(-0.2, 0.3, module.num_features)
            module.running_var = torch.linspace(0.5, 1.5, module.num_features)


def _assert_same_as_pytorch(model: CrackModel, graph: ExportedGraph, sizes: list[tuple[int, int]]) -> None:
    generator = np.random.default_rng(1)
    with running(graph) as run:
        for size in sizes:
            flat = np.full((*size, 3), 128, np.uint8)
            for frame in (generator.integers(0, 256, (*size, 3), np.uint8), flat):
                np.testing.assert_allclose(run(frame), reference(model, graph, frame), atol=LIMIT)


def _operators(graph: ExportedGraph) -> list[str]:
    return [node.op_type for node in onnx.load_from_string(graph.onnx).graph.node]
