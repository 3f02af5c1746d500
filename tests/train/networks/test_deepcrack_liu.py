"""DeepCrack of Liu et al.: size, normalisation, halo."""

from __future__ import annotations

import torch
from torch import nn

from tests.train.networks.reach import assert_halo_is_exact
from train.networks.count import count
from train.networks.deepcrack_liu import DeepCrackLiu
from train.networks.hed import Hed


def test_parameter_count() -> None:
    with torch.device("meta"):
        parameters = count(DeepCrackLiu(), (16, 16)).parameters
    assert parameters == 14_724_619
    assert f"{parameters / 1e6:.2f}" == "14.72"


def test_normalises_after_each_convolution_where_hed_does_not() -> None:
    def layers(network: nn.Module) -> int:
        return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())

    assert layers(DeepCrackLiu((1, 1, 1, 1, 1))) == 13
    assert layers(Hed((1, 1, 1, 1, 1))) == 0


def test_halo_is_exact() -> None:
    assert_halo_is_exact(DeepCrackLiu((2, 3, 4, 5, 6)))
