"""Paper 002's U-Nets: their sizes, and one patch a batch."""

from __future__ import annotations

import pytest
import torch

from train.networks.pix2pix_unet import Pix2PixUNet, WideUNet


@pytest.mark.parametrize(
    ("network", "affine", "parameters", "published"),
    [
        (Pix2PixUNet, False, 23_522_112, 22.4),
        (WideUNet, True, 41_858_208, 39.9),
        (WideUNet, False, 41_846_256, 39.9),
    ],
)
def test_parameter_counts(network: type[Pix2PixUNet], affine: bool, parameters: int, published: float) -> None:
    with torch.device("meta"):
        built = network(affine=affine)
    assert sum(parameter.numel() for parameter in built.parameters()) == parameters
    assert round(parameters / 2**20, 1) == published


def test_defaults_are_the_counted_ones() -> None:
    assert not Pix2PixUNet.config().affine
    assert WideUNet.config().affine


@pytest.mark.parametrize("affine", [False, True])
def test_one_patch_of_the_paper_s_size_trains(affine: bool) -> None:
    network = Pix2PixUNet((2,) * 7, affine)
    logits = network(torch.rand(1, 3, 255, 255))
    logits.square().mean().backward()
    assert logits.shape == (1, 1, 255, 255)
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


def test_logits_have_both_signs() -> None:
    """No ReLU behind the last layer."""
    torch.manual_seed(0)
    for affine in (False, True):
        logits = Pix2PixUNet((4, 8, 8), affine)(torch.randn(2, 3, 31, 31))
        assert logits.min() < 0 < logits.max()
