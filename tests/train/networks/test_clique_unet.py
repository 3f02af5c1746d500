"""The stand-in for U-CliqueNet: its size, its halo and what a clique computes."""

from __future__ import annotations

import pytest
import torch

from tests.train.networks.reach import assert_halo_is_exact
from train.networks.clique_unet import CliqueBlock, CliqueUNet
from train.networks.count import count


def test_size_and_cost() -> None:
    with torch.device("meta"):
        cost = count(CliqueUNet(), (320, 480))
    assert cost.parameters == 487_788
    assert cost.gmacs == pytest.approx(36.7, abs=0.05)


@pytest.mark.parametrize(("layers", "depth"), [(2, 1), (3, 2), (4, 1)])
def test_halo_is_exact(layers: int, depth: int) -> None:
    network = CliqueUNet(2, layers, depth, 2)
    for block in network.modules():
        if isinstance(block, CliqueBlock):
            torch.nn.init.uniform_(block.between, 0.1, 1.0)
    assert_halo_is_exact(network)


def test_clique_follows_its_two_stages() -> None:
    """Yang et al. 2018, table 1, with scalars: one pixel, one channel a layer, weights in the kernels' middle."""
    block = CliqueBlock(1, 1, 3).double().eval()
    torch.manual_seed(0)
    with torch.no_grad():
        block.first.weight.zero_()[:, 0, 1, 1] = torch.tensor([0.3, 0.5, 0.7])
        between = torch.rand(3, 2, dtype=torch.float64)
        block.between.zero_()[:, 0, :, 1, 1] = between
        found = block(torch.full((1, 1, 1, 1), 2.0, dtype=torch.float64)).flatten()
    norm = (1 + block.statistics[0].eps) ** -0.5
    first: list[torch.Tensor] = []
    for layer, weight in enumerate((0.3, 0.5, 0.7)):
        total = torch.tensor(2.0 * weight, dtype=torch.float64)
        for earlier in range(layer):
            total = total + between[layer, earlier] * first[earlier]
        first.append(total * norm)
    a = (between[0, 0] * first[1] + between[0, 1] * first[2]) * norm
    b = (between[1, 0] * a + between[1, 1] * first[2]) * norm
    c = (between[2, 0] * a + between[2, 1] * b) * norm
    torch.testing.assert_close(found, torch.stack([a, b, c]), rtol=0, atol=1e-7)
