"""What every super-resolution network of the table must do, at a narrow width: any size in, `scale` times it out."""

from __future__ import annotations

import pytest
import torch

from fissura.errors import ConfigError
from tests.train.networks.reach import reach
from tests.train.networks.test_contract import assert_learns, assert_narrows, narrow_options
from train.networks import SUPER_RESOLUTION_NETWORKS, build_network, network_config
from train.networks.super_resolution import SuperResolutionNetwork

NAMES = sorted(SUPER_RESOLUTION_NETWORKS)
LEARNING = [name for name in NAMES if list(SUPER_RESOLUTION_NETWORKS[name]().parameters())]
SCALES = (2, 4)  # what all of them offer


def narrow(name: str, scale: int = 4, in_channels: int = 3) -> SuperResolutionNetwork:
    torch.manual_seed(0)
    options = {**narrow_options(SUPER_RESOLUTION_NETWORKS[name].config, name), "scale": scale}
    return build_network(SUPER_RESOLUTION_NETWORKS, options, in_channels=in_channels)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("in_channels", [3, 1])
@pytest.mark.parametrize("name", NAMES)
def test_any_size_is_enlarged(name: str, in_channels: int, scale: int) -> None:
    network = narrow(name, scale, in_channels).eval()
    assert network.scale == scale
    assert network.stride == 1
    for rows, columns in ((16, 24), (5, 7), (1, 1), (1, 9)):
        with torch.no_grad():
            image = network(torch.rand(2, in_channels, rows, columns))
        assert image.shape == (2, in_channels, scale * rows, scale * columns)
        assert image.isfinite().all()


@pytest.mark.parametrize("in_channels", [3, 1])
@pytest.mark.parametrize("name", LEARNING)
def test_learns_everywhere(name: str, in_channels: int) -> None:
    """From the second step on: a last layer that starts at zero lets nothing through in the first."""
    network = narrow(name, in_channels=in_channels)
    optimiser = torch.optim.SGD(network.parameters(), 0.1)
    network(torch.rand(2, in_channels, 12, 10)).square().mean().backward()
    optimiser.step()
    optimiser.zero_grad()
    assert_learns(network, (network(torch.rand(2, in_channels, 12, 10)),))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("in_channels", [3, 1])
@pytest.mark.parametrize("name", NAMES)
def test_halo_is_exact(name: str, in_channels: int, scale: int) -> None:
    network = narrow(name, scale, in_channels)
    row = -(-(network.halo + 8) // 8) * 8
    assert reach(network, row, scale, in_channels) == network.halo


@pytest.mark.parametrize("name", NAMES)
def test_a_part_with_the_halo_around_it_gives_what_the_whole_gives(name: str) -> None:
    network = narrow(name, 2).double().eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    halo, size = network.halo, 6
    frame = torch.rand(1, 3, 2 * halo + size + 9, 2 * halo + size + 5, dtype=torch.float64)
    with torch.no_grad():
        whole = network(frame)
        part = network(frame[..., 4 : 4 + size + 2 * halo, 3 : 3 + size + 2 * halo])
    top, left, inner = 2 * (4 + halo), 2 * (3 + halo), slice(2 * halo, 2 * (halo + size))
    expected = whole[..., top : top + 2 * size, left : left + 2 * size]
    torch.testing.assert_close(part[..., inner, inner], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_saved_weights_give_the_same_network(name: str) -> None:
    network, other = narrow(name), narrow(name)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    assert set(network.state_dict()) == {key for key, _ in network.named_parameters()}  # nothing fixed is stored
    other.load_state_dict(network.state_dict())
    frame = torch.rand(1, 3, 9, 8)
    with torch.no_grad():
        assert torch.equal(network(frame), other(frame))


@pytest.mark.parametrize("name", LEARNING)
def test_narrowed_networks_are_smaller(name: str) -> None:
    assert_narrows(SUPER_RESOLUTION_NETWORKS[name])


@pytest.mark.parametrize("option", [{"scale": 3.5}, {"scale": 1}, {"scale": 16}, {"colour": "red"}])
@pytest.mark.parametrize("name", NAMES)
def test_wrong_options_are_refused(name: str, option: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(option))):
        network_config(SUPER_RESOLUTION_NETWORKS, {"name": name, **option})
