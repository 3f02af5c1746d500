"""Networks: the papers' sizes, shapes, gradients, and how far an input pixel's influence reaches."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fissura.errors import ConfigError
from train.model import ModelConfig, build_model
from train.networks import NETWORKS, SUPER_RESOLUTION_NETWORKS, build_network
from train.networks.dbpn import Dbpn
from train.networks.unet import UNet


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("network", "published"),
    [
        (lambda: UNet(), 31_031_745),
        (lambda: UNet(in_channels=1), 31_030_593),
        (lambda: Dbpn(), 8_802_094),
        (lambda: Dbpn(in_channels=1), 8_790_572),
    ],
    ids=["unet-rgb", "unet-grey", "dbpn-rgb", "dbpn-grey"],
)
def test_parameter_counts_of_the_papers(network: type[nn.Module], published: int) -> None:
    with torch.device("meta"):  # shapes only: 31 million values need not be drawn to be counted
        assert parameters(network()) == published


SMALL = {
    "unet": {"name": "unet", "widths": [4, 8, 16]},
    "dbpn": {"name": "dbpn", "scale": 2, "stages": 3, "width": 4, "features": 8},
}


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_segmentation_networks_keep_the_size_and_learn_everywhere(name: str) -> None:
    torch.manual_seed(0)
    network = build_network(NETWORKS, SMALL[name])
    stride = network.stride
    logits = network(torch.randn(2, 3, 3 * stride, 5 * stride))
    assert logits.shape == (2, 1, 3 * stride, 5 * stride)
    assert_learns(network, logits)


@pytest.mark.parametrize("name", sorted(SUPER_RESOLUTION_NETWORKS))
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_super_resolution_networks_enlarge_and_learn_everywhere(name: str, scale: int) -> None:
    torch.manual_seed(0)
    network = build_network(SUPER_RESOLUTION_NETWORKS, {**SMALL[name], "scale": scale})
    image = network(torch.rand(2, 3, 5, 7))
    assert image.shape == (2, 3, 5 * scale, 7 * scale)
    assert_learns(network, image)


def assert_learns(network: nn.Module, output: torch.Tensor) -> None:
    """Every parameter gets a finite gradient, and none of them only zeros."""
    (output * torch.randn_like(output)).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_residual_dbpn_starts_as_bilinear_enlargement() -> None:
    frame = torch.rand(1, 3, 6, 9)
    bilinear = nn.functional.interpolate(frame, scale_factor=2, mode="bilinear", align_corners=False)
    assert torch.equal(Dbpn(2, 2, 4, 8, residual=True)(frame), bilinear)


def test_fused_model_is_segmentation_of_the_enlarged_frame() -> None:
    torch.manual_seed(0)
    config = ModelConfig(segmentation=SMALL["unet"], super_resolution=SMALL["dbpn"])
    model = build_model(config).eval()
    frame = torch.rand(1, 3, 6, 8)
    assert model.scale == 2
    assert model.stride == 4
    enlarged = model.enlarge(frame).clamp(0, 1)
    normalised = (enlarged - 0.5) / 0.25
    assert torch.allclose(model(frame), model.segmentation(normalised), atol=1e-6)


@pytest.mark.parametrize("levels", [2, 3, 4])
def test_halo_of_the_unet_is_exact(levels: int) -> None:
    network = UNet((2,) * levels)
    reaches = [reach(network, 1, 128 + shift) for shift in range(network.stride)]
    assert max(reaches) <= network.halo
    assert network.halo - max(reaches) < network.stride  # rounded up to whole strides, no further
    assert network.halo % network.stride == 0


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize(("stages", "residual"), [(2, False), (2, True), (4, False)])
def test_halo_of_dbpn_is_exact(scale: int, stages: int, residual: bool) -> None:
    network = Dbpn(scale, stages, 2, 4, residual=residual)
    assert reach(network, scale, 40) == network.halo


def reach(network: nn.Module, scale: int, position: int) -> int:
    """How many pixels away, in input pixels, the output changes when one input pixel does.

    Positive weights, no biases and an otherwise black input: the output is exactly zero where nothing arrives.
    """
    network = network.double().eval()
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.uniform_(module.weight, 0.1, 1.0)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    image = torch.zeros(1, 3, 2 * position // 16 * 16, 2 * position // 16 * 16, dtype=torch.float64)
    image[..., position, position] = 1
    with torch.no_grad():
        touched = network(image)[0].ne(0).any(0)
    distances = []
    for axis in (0, 1):
        places = touched.any(1 - axis).nonzero().flatten() // scale
        distances += [position - int(places.min()), int(places.max()) - position]
    return max(distances)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "vnet"}, "unknown network 'vnet'"),
        ({"name": "unet", "width": [4, 8]}, "width"),
        ({"name": "unet", "widths": [4]}, "at least 2 items"),
        ({"name": "unet", "widths": "wide"}, "widths"),
        ({}, "unknown network None"),
    ],
)
def test_wrong_networks_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_network(NETWORKS, options)


def test_wrong_super_resolution_is_refused() -> None:
    for options in ({"name": "dbpn", "scale": 3}, {"name": "dbpn", "stages": 1}):
        with pytest.raises(ConfigError):
            build_network(SUPER_RESOLUTION_NETWORKS, options)
