"""DeepCrack of Zou et al.: the authors' size, five scales and their fusion, halo."""

from __future__ import annotations

import torch

from tests.train.networks.reach import assert_halo_is_exact, assert_nothing_beyond_the_halo
from train.networks.count import count
from train.networks.deepcrack_zou import DeepCrackZou

NARROW = (2, 3, 4, 5, 6)


def test_parameter_count() -> None:
    with torch.device("meta"):
        parameters = count(DeepCrackZou(), (32, 32)).parameters
    assert parameters == 30_905_011
    assert f"{parameters / 1e6:.2f}" == "30.91"


def test_sides_from_fine_to_coarse() -> None:
    """A fusion that is switched off leaves its own side without a trace of the image, and no other."""
    torch.manual_seed(0)
    network = DeepCrackZou(NARROW, 4)
    torch.nn.init.zeros_(network.fusions[3].mix[0].weight)
    _, *sides = network.training_logits(torch.randn(1, 3, 64, 64))
    assert [bool((side == 0).all()) for side in sides] == [False, False, False, True, False]


def test_halo_is_exact() -> None:
    assert_halo_is_exact(DeepCrackZou(NARROW, 2))


def test_positions_reach_no_further() -> None:
    torch.manual_seed(0)
    assert_nothing_beyond_the_halo(DeepCrackZou(NARROW, 2))
