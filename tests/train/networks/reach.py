"""How far an input pixel is felt, measured: what the networks' `halo` must state."""

from __future__ import annotations

import torch
from torch import nn

from train.networks.network import CrackNetwork


def reach(network: nn.Module, row: int, scale: int = 1, channels: int = 3) -> int:
    """How many rows away, in input pixels, the output changes when a pixel of a row does.

    Positive weights, no biases and an otherwise black image: the output is exactly zero where nothing arrives.

    Args:
        network: its weights are replaced.
        row: in the middle of an image of about twice as many rows, and a few columns.
        scale: output pixels per input pixel along each axis.
        channels: of the image.
    """
    network = network.double().eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.uniform_(module.weight, 0.1, 1.0)
                module.weight /= module.weight.sum()
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        image = torch.zeros(1, channels, 2 * row // 16 * 16, 16, dtype=torch.float64)
        image[..., row, 8] = 1
        places = network(image)[0].ne(0).any(0).any(1).nonzero().flatten() // scale
    return max(row - int(places.min()), int(places.max()) - row)


def assert_halo_is_exact(network: CrackNetwork) -> None:
    """No pixel is felt further than the halo says, and the halo is rounded up to whole strides, no further."""
    assert network.halo is not None
    middle = -(-(network.halo + 16) // 16) * 16
    reaches = [reach(network, middle + shift) for shift in range(network.stride)]
    assert max(reaches) <= network.halo
    assert network.halo - max(reaches) < network.stride
    assert network.halo % network.stride == 0


def assert_nothing_beyond_the_halo(network: CrackNetwork) -> None:
    """With weights of any sign and a full image, where the places of maxima change too."""
    assert network.halo is not None
    network = network.double().eval()
    rows = 2 * network.halo + 2 * network.stride
    image = torch.randn(1, 3, rows, network.stride, dtype=torch.float64)
    with torch.no_grad():
        before = network(image)
        for row in range(rows // 2, rows // 2 + network.stride, 5):
            other = image.clone()
            other[..., row, :] += 3 * torch.randn(network.stride, dtype=torch.float64)
            places = (network(other) != before).any(-1)[0, 0].nonzero().flatten()
            assert len(places) > 0
            assert max(row - int(places.min()), int(places.max()) - row) <= network.halo
