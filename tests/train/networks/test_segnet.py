"""SegNet: size, mirror image of the encoder, halo that holds for the positions too."""

from __future__ import annotations

import torch
from torch import nn

from tests.train.networks.reach import assert_halo_is_exact, assert_nothing_beyond_the_halo
from train.networks.count import count
from train.networks.segnet import SegNet

NARROW = (2, 3, 4, 5, 6)


def test_parameter_count() -> None:
    with torch.device("meta"):
        parameters = count(SegNet(), (32, 32)).parameters
    assert parameters == 29_443_585
    assert f"{parameters / 1e6:.2f}" == "29.44"


def test_decoder_mirrors_the_encoder() -> None:
    def shapes(part: nn.Module) -> list[tuple[int, int]]:
        return [(m.in_channels, m.out_channels) for m in part.modules() if isinstance(m, nn.Conv2d)]

    network = SegNet(NARROW)
    up = shapes(network.decoders) + shapes(network.head)
    assert [(b, a) for a, b in up[::-1]][1:] == shapes(network.encoder)[1:]
    assert up[-1] == (NARROW[0], 1)


def test_halo_is_exact() -> None:
    assert_halo_is_exact(SegNet(NARROW))


def test_positions_reach_no_further() -> None:
    torch.manual_seed(0)
    assert_nothing_beyond_the_halo(SegNet(NARROW))
