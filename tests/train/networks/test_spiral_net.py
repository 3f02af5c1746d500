"""Spiral-Net: paper 002's size, the order of its modules, and the sizes that its layers want."""

from __future__ import annotations

import pytest
import torch

from fissura.errors import ConfigError
from train.networks import NETWORKS, build_network
from train.networks.odd_layers import pad_to_odd_grid
from train.networks.spiral_net import SpiralNet


@pytest.mark.parametrize(("affine", "parameters"), [(False, 41_600_456), (True, 41_625_942)])
def test_parameter_counts(affine: bool, parameters: int) -> None:
    with torch.device("meta"):
        network = SpiralNet(affine=affine)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters
    assert round(parameters / 2**20, 1) == 39.7  # the published figure


@pytest.mark.parametrize(
    ("side", "padded"), [(1, 255), (127, 255), (255, 255), (256, 383), (320, 383), (480, 511), (511, 511), (512, 639)]
)
def test_padding(side: int, padded: int) -> None:
    image = torch.rand(1, 1, side, 3)
    result = pad_to_odd_grid(image, 7)
    assert result.shape == (1, 1, padded, 255)
    assert torch.equal(result[:, :, :side, :3], image)
    assert (result[:, :, side:, :3] == image[:, :, -1:]).all()


def test_modules_see_the_maps_before_them_and_only_the_first_the_image() -> None:
    network = SpiralNet((2, 3, 4), (1, 2, 3))
    inputs = []
    for hourglass in network.hourglasses:
        hourglass.register_forward_hook(lambda _, given, out: inputs.append((given[0].shape[1], out.shape[1])))
    network(torch.rand(2, 3, 20, 20))
    assert inputs == [(3, 1), (1, 1), (2, 1)]


def test_one_patch_of_the_paper_s_size_trains() -> None:
    """Its deepest maps are one pixel: batch normalisation has a single value a channel."""
    network = SpiralNet((2,) * 7)
    logits = network(torch.rand(1, 3, 255, 255))
    logits.mean().backward()
    assert logits.shape == (1, 1, 255, 255)
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


def test_depths_beyond_the_widths_are_refused() -> None:
    with pytest.raises(ConfigError, match="widths"):
        build_network(NETWORKS, {"name": "spiral_net", "widths": [4, 8], "depths": [1, 2, 3]})
