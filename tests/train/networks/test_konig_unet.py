"""König's residual decoder: the inferred size, the top level without residual blocks, the halo."""

from __future__ import annotations

import pytest
import torch

from tests.train.networks.reach import assert_halo_is_exact
from train.networks.count import count
from train.networks.konig_unet import KonigUNet, ResidualBlock


def test_parameter_count() -> None:
    with torch.device("meta"):
        assert count(KonigUNet(), (16, 16)).parameters == 40_679_937


def test_all_decoder_levels_but_the_finest_have_two_residual_blocks() -> None:
    blocks = [sum(isinstance(m, ResidualBlock) for m in decoder.modules()) for decoder in KonigUNet((2,) * 5).decoders]
    assert blocks == [2, 2, 2, 0]


def test_residual_block_passes_on_what_it_does_not_change() -> None:
    block = ResidualBlock(3).eval()
    for parameter in block.parameters():
        torch.nn.init.zeros_(parameter)
    x = torch.rand(1, 3, 5, 7)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize("levels", [2, 3, 4])
def test_halo_is_exact(levels: int) -> None:
    assert_halo_is_exact(KonigUNet((2,) * levels))
