"""HED: the published size, the side outputs and their fusion, the halo."""

from __future__ import annotations

import torch

from tests.train.networks.reach import assert_halo_is_exact
from train.networks.count import count
from train.networks.hed import Hed

NARROW = (2, 3, 4, 5, 6)


def test_parameter_count() -> None:
    with torch.device("meta"):
        assert count(Hed(), (16, 16)).parameters == 14_716_171


def test_five_sides_whose_mean_is_the_start() -> None:
    torch.manual_seed(0)
    fused, *sides = Hed(NARROW).training_logits(torch.randn(2, 3, 37, 51))
    assert len(sides) == 5
    assert all(side.shape == (2, 1, 37, 51) for side in sides)
    torch.testing.assert_close(fused, torch.stack(sides).mean(0))


def test_halo_is_exact() -> None:
    assert_halo_is_exact(Hed(NARROW))
