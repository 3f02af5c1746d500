"""RCF: the published size, all convolutions contribute, the undecimated last stage lies where it should, halo."""

from __future__ import annotations

import torch
from torch import nn

from tests.train.networks.reach import assert_halo_is_exact
from train.networks.count import count
from train.networks.rcf import Rcf

NARROW = (2, 3, 4, 5, 6)


def test_parameter_count() -> None:
    with torch.device("meta"):
        parameters = count(Rcf(), (8, 8)).parameters
    assert parameters == 14_803_781
    assert f"{parameters / 1e6:.2f}" == "14.80"


def test_each_convolution_contributes_by_itself() -> None:
    network = Rcf(NARROW, 4)
    assert sum(len(stage) for stage in network.reductions) == 13
    with torch.no_grad():
        for stage in network.reductions:
            stage[-1].weight.zero_()
    network(torch.randn(1, 3, 32, 32)).sum().backward()
    for unit in network.encoder.stages[-1][:-1]:
        assert unit[0].weight.grad.abs().sum() > 0
    assert network.encoder.stages[-1][-1][0].weight.grad.abs().sum() == 0


def test_outputs_lie_where_the_image_does() -> None:
    """With kernels that are their own mirror images, mirrored images give mirrored logits: no side is shifted."""
    torch.manual_seed(0)
    network = Rcf(NARROW, 4).double().eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.weight += module.weight.flip(-1)
                module.weight += module.weight.flip(-2)
    image = torch.randn(1, 3, 48, 64, dtype=torch.float64)
    for axis in (-1, -2):
        for straight, mirrored in zip(network.logits(image), network.logits(image.flip(axis)), strict=True):
            torch.testing.assert_close(mirrored.flip(axis), straight)


def test_halo_is_exact() -> None:
    assert_halo_is_exact(Rcf(NARROW, 2))
