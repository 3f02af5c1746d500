"""The light network: its size and cost, where it starts, what it is made of."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from fissura.errors import ConfigError
from tests.train.networks.reach import reach
from train.networks import SUPER_RESOLUTION_NETWORKS, network_config
from train.networks.abpn import Abpn
from train.networks.count import count
from train.networks.dbpn import Dbpn


@pytest.mark.parametrize(
    ("scale", "width", "depth", "channels", "parameters"),
    [(4, 32, 6, 3, 61_008), (2, 32, 6, 3, 50_604), (4, 16, 4, 3, 14_368), (4, 32, 6, 1, 51_184)],
)
def test_parameter_counts(scale: int, width: int, depth: int, channels: int, parameters: int) -> None:
    with torch.device("meta"):
        network = Abpn(scale, width, depth, in_channels=channels)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def test_cost_beside_dbpn() -> None:
    with torch.device("meta"):
        light, dense = count(Abpn(), (64, 64)), count(Dbpn(), (64, 64))
    assert 2 * light.gmacs == pytest.approx(0.499, abs=5e-4)
    assert dense.gmacs / light.gmacs == pytest.approx(161, abs=0.5)


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("scale", [2, 4])
def test_starts_as_nearest_neighbour_enlargement(scale: int, channels: int) -> None:
    frame = torch.rand(2, channels, 6, 9)
    expected = F.interpolate(frame, scale_factor=float(scale), mode="nearest")
    assert torch.equal(Abpn(scale, 8, 3, in_channels=channels)(frame), expected)


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("depth", [1, 2, 9])
def test_halo_is_exact(scale: int, depth: int) -> None:
    network = Abpn(scale, 4, depth)
    assert network.halo == depth + 1
    assert reach(network, 40, scale) == network.halo


def test_learns_an_enlargement_quickly() -> None:
    """A hundred steps take it a third of the way from nearest-neighbour to bilinear enlargement, at least."""
    torch.manual_seed(0)
    network = Abpn(2, 16, 2)
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    losses = []
    for _ in range(100):
        frame = F.avg_pool2d(torch.rand(4, 3, 16, 16), 3, 1)
        smooth = F.interpolate(frame, scale_factor=2.0, mode="bilinear", align_corners=False)
        loss = F.l1_loss(network(frame), smooth)
        losses.append(loss.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert sum(losses[-5:]) < sum(losses[:5]) * 2 / 3


@pytest.mark.parametrize("option", [{"scale": 8}, {"width": 0}, {"depth": 0}])
def test_wrong_options_are_refused(option: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(option))):
        network_config(SUPER_RESOLUTION_NETWORKS, {"name": "abpn", **option})
