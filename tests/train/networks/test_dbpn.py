"""DBPN: paper 004's size, the start of the residual variant, the halo."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.train.networks.reach import reach
from train.networks.count import count
from train.networks.dbpn import Dbpn


@pytest.mark.parametrize(("channels", "parameters"), [(3, 8_802_094), (1, 8_790_572)], ids=["rgb", "grey"])
def test_parameter_counts(channels: int, parameters: int) -> None:
    with torch.device("meta"):
        assert count(Dbpn(in_channels=channels), (8, 8), channels).parameters == parameters


def test_projection_units() -> None:
    """Six up, five down, 8x8 kernels of stride 4, one PReLU slope a layer, 1x1 reductions from the third unit on."""
    with torch.device("meta"):
        network = Dbpn()
    assert (len(network.ups), len(network.downs)) == (6, 5)
    kernels = {m.kernel_size for u in (*network.ups, *network.downs) for m in u.modules() if hasattr(m, "kernel_size")}
    assert kernels == {(8, 8)}
    assert all(m.num_parameters == 1 for m in network.modules() if isinstance(m, nn.PReLU))
    for reductions in (network.reduce_up, network.reduce_down):
        assert [reduction[0].in_channels for reduction in reductions] == [128, 192, 256, 320]


def test_residual_dbpn_starts_as_bilinear_enlargement() -> None:
    frame = torch.rand(1, 3, 6, 9)
    bilinear = nn.functional.interpolate(frame, scale_factor=2, mode="bilinear", align_corners=False)
    assert torch.equal(Dbpn(2, 2, 4, 8, residual=True)(frame), bilinear)


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize(("stages", "residual"), [(2, False), (2, True), (4, False)])
def test_halo_is_exact(scale: int, stages: int, residual: bool) -> None:
    network = Dbpn(scale, stages, 2, 4, residual=residual)
    assert reach(network, 40, scale) == network.halo
