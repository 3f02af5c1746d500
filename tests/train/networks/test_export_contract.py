"""Every network as an ONNX graph, at one size and at any: ONNX Runtime gives what PyTorch gives.

Each run of the tests exports the networks at an odd size, which padding and cropping must survive. What takes longer is
marked as slow: an export costs seconds of work, many layers or unknown sizes up to twenty.
"""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import torch

from export.onnx import OPSET, export_graph
from tests.train.networks.test_contract import narrow
from train.model import CrackModel, ModelConfig
from train.networks import NETWORKS
from train.networks.network import CrackNetwork

ODD = (75, 53)
MANY_LAYERS = {"clique_unet", "deepcrack_zou", "deeplabv3plus", "segnet", "spiral_net"}  # 4 s and more each
TWINS = {"wide_unet"}  # the same graph as another network's


def settled(name: str) -> CrackNetwork:
    """Narrow, and with statistics of batch normalisation that are not the initial ones."""
    network = narrow(name)
    with torch.no_grad():
        network.train()(torch.randn(2, 3, 64, 64))
    return network.eval()


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    limit = min(1e-4, np.ptp(expected) / 20)  # below what tells one pixel from another
    assert np.abs(found - expected).max() <= limit


def assert_static_graph_is_the_network(name: str, size: tuple[int, int]) -> None:
    network = torch.nn.Sequential(settled(name), torch.nn.Sigmoid())
    image = torch.randn(1, 3, *size)
    program = torch.onnx.export(network, (image,), dynamo=True, opset_version=OPSET, verbose=False)
    assert program is not None
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString())
    with torch.no_grad():
        expected = network(image).numpy()
    assert_same(session.run(None, {session.get_inputs()[0].name: image.numpy()})[0], expected)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in MANY_LAYERS | TWINS else name for name in sorted(NETWORKS)],
)
def test_graph_of_an_odd_size(name: str) -> None:
    assert_static_graph_is_the_network(name, ODD)


@pytest.mark.slow  # the odd size is the harder one
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_graph_of_64_pixels(name: str) -> None:
    assert_static_graph_is_the_network(name, (64, 64))


@pytest.mark.slow  # up to 20 s a network: PyTorch reasons about sizes that it does not know
@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_graph_of_any_size(name: str) -> None:
    """fissura's own export: uint8 pixels in, height and width dynamic."""
    model = CrackModel(settled(name), None, ModelConfig()).eval()
    graph = export_graph(model, "segmentation")
    session = onnxruntime.InferenceSession(graph.onnx)
    multiple = graph.input.multiple
    for rows, columns in ((64, 64), ODD, (130, 40)):
        size = (-(-rows // multiple) * multiple, -(-columns // multiple) * multiple)
        image = np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)
        with torch.no_grad():
            pixels = torch.from_numpy(image).permute(0, 3, 1, 2).float() / 255
            expected = torch.sigmoid(model.segment(pixels)).numpy()
        assert_same(session.run(None, {graph.input.name: image})[0], expected)
