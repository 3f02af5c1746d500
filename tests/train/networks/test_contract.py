"""What every network of the tables must do, at a narrow width: any size in, the same size out, learn, be narrowed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fissura.errors import ConfigError
from train.networks import NETWORKS, build_network, network_config
from train.networks.count import count
from train.networks.network import CrackNetwork, NetworkConfig
from train.networks.super_resolution import SuperResolutionNetwork

SHARES = {"structured_cnn": 1 / 4}  # of 16 channels: with a single one left, a ReLU may be dead from the start
PATCHES = {"structured_cnn": (27, 27)}  # what networks train on that take one size only


def narrow_options(config: type[NetworkConfig], name: str) -> dict[str, object]:
    return {"name": name, **config().narrowed(SHARES.get(name, 1 / 16)).model_dump()}


def narrow(name: str) -> CrackNetwork:
    torch.manual_seed(0)
    return build_network(NETWORKS, narrow_options(NETWORKS[name].config, name))


def assert_learns(network: nn.Module, outputs: tuple[torch.Tensor, ...]) -> None:
    """Every parameter gets a finite gradient, and none of them only zeros."""
    sum((output * torch.randn_like(output)).sum() for output in outputs).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def assert_narrows(network: type[CrackNetwork] | type[SuperResolutionNetwork]) -> None:
    """With half of the channels about a quarter of the parameters is left."""
    full = network.config()
    assert full.narrowed(1.0) == full
    with torch.device("meta"):
        whole, half = (
            sum(parameter.numel() for parameter in network(**config.model_dump()).parameters())
            for config in (full, full.narrowed(0.5))
        )
    assert 0.15 < half / whole < 0.6


@pytest.mark.parametrize("name", sorted(NETWORKS))
@pytest.mark.parametrize("size", [(64, 64), (37, 91)])
def test_networks_keep_the_size_and_learn_everywhere(name: str, size: tuple[int, int]) -> None:
    network = narrow(name)
    image = torch.randn(2, 3, *size)
    assert network(image).shape == (2, 1, *size)
    outputs = network.training_logits(image if name not in PATCHES else torch.randn(8, 3, *PATCHES[name]))
    assert all(output.shape[1] == 1 for output in outputs)
    if name not in PATCHES:
        assert all(output.shape == (2, 1, *size) for output in outputs)
    assert_learns(network, outputs)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_smallest_sizes(name: str) -> None:
    network = narrow(name).eval()
    for size in ((1, 1), (1, 9), (5, 3)):
        with torch.no_grad():
            logits = network(torch.randn(1, 3, *size))
        assert logits.shape == (1, 1, *size)
        assert logits.isfinite().all()


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_no_pixel_is_felt_beyond_the_halo(name: str) -> None:
    network = narrow(name).double().eval()
    if network.halo is None:
        return
    row = network.halo + network.stride
    frame = torch.randn(1, 3, 2 * row + network.stride, network.stride, dtype=torch.float64)
    with torch.no_grad():
        before = network(frame)
    for position in {row, row + network.stride - 1}:
        changed = frame.clone()
        changed[..., position, :] += 3
        with torch.no_grad():
            difference = (network(changed) - before).abs().amax((0, 1, 3))
        assert difference.max() > 0
        difference[position - network.halo : position + network.halo + 1] = 0
        assert difference.max() <= 1e-12


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_saved_weights_give_the_same_network(name: str) -> None:
    network = narrow(name)
    with torch.no_grad():
        network.train()(torch.randn(2, 3, 64, 64))  # moves the statistics of batch normalisation, too
    other = build_network(NETWORKS, narrow_options(NETWORKS[name].config, name))
    other.load_state_dict(network.state_dict())
    image = torch.randn(1, 3, 40, 56)
    with torch.no_grad():
        assert torch.equal(network.eval()(image), other.eval()(image))


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_unknown_options_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="colour"):
        network_config(NETWORKS, {"name": name, "colour": "red"})


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_start_is_calm(name: str) -> None:
    """Logits of order one at the start: a loss on logits in the tens teaches nothing."""
    with torch.no_grad():
        logits = narrow(name)(torch.randn(2, 3, 64, 64))
    assert logits.abs().median() < 5


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_narrowed_networks_are_smaller(name: str) -> None:
    assert_narrows(NETWORKS[name])


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


def test_cost_is_the_published_one() -> None:
    """Paper 000's network at its image size: 112.89 GMAC, which ptflops' old way of counting made 128.18."""
    with torch.device("meta"):
        cost = count(NETWORKS["unet"](), (320, 480))
    assert cost.parameters == 31_031_745
    assert cost.gmacs == pytest.approx(112.89, abs=0.005)
