"""The revised U-Net: paper 000's size, and how far an input pixel's influence reaches."""

from __future__ import annotations

import pytest
import torch

from tests.train.networks.reach import assert_halo_is_exact
from train.networks.count import count
from train.networks.unet import UNet
from train.networks.upsampling import Upsampling

HALF = (32, 64, 128, 256, 512)


@pytest.mark.parametrize(
    ("widths", "channels", "parameters"),
    [
        (None, 3, 31_031_745),
        (None, 1, 31_030_593),
        (HALF, 3, 7_760_097),
        (HALF, 1, 7_759_521),
    ],
    ids=["rgb", "grey", "half-rgb", "half-grey"],
)
def test_parameter_counts(widths: tuple[int, ...] | None, channels: int, parameters: int) -> None:
    with torch.device("meta"):  # shapes only: 31 million values need not be drawn to be counted
        network = UNet(in_channels=channels) if widths is None else UNet(widths, in_channels=channels)
        assert count(network, (16, 16), channels).parameters == parameters


def test_half_width_is_the_narrowed_default() -> None:
    assert UNet.config().narrowed(0.5) == UNet.config(widths=HALF)


@pytest.mark.parametrize("upsampling", ["deconv", "resize"])
@pytest.mark.parametrize("levels", [2, 3, 4])
def test_halo_is_exact(levels: int, upsampling: Upsampling) -> None:
    assert_halo_is_exact(UNet((2,) * levels, upsampling))
