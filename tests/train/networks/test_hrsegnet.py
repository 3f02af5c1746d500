"""The light network: its size, its halo, guidance from far away, and independence of the image's size."""

from __future__ import annotations

import pytest
import torch

from tests.train.networks.reach import assert_halo_is_exact
from train.networks.count import count
from train.networks.hrsegnet import HrSegNet
from train.networks.unet import UNet


def test_size_and_cost() -> None:
    with torch.device("meta"):
        light, thin, small_unet = (
            count(network, (320, 480))
            for network in (HrSegNet(), HrSegNet(path_stride=2), UNet((16, 32, 64, 128, 256)))
        )
    assert light.parameters == 667_072
    assert thin.parameters < light.parameters  # one convolution less in the stem, fewer sub-pixels in the head
    assert light.gmacs < small_unet.gmacs / 6
    assert thin.gmacs < small_unet.gmacs / 1.8


@pytest.mark.parametrize("path_stride", [2, 4])
def test_halo_is_exact(path_stride: int) -> None:
    assert_halo_is_exact(HrSegNet(2, path_stride))


def test_only_plain_layers() -> None:
    plain = {"Conv2d", "BatchNorm2d", "ReLU", "PixelShuffle", "Sequential", "ModuleList", "Stage", "HrSegNet"}
    assert {type(module).__name__ for module in HrSegNet(4).modules()} <= plain


@pytest.mark.parametrize("path_stride", [2, 4])
def test_a_tile_gives_what_the_whole_frame_gives(path_stride: int) -> None:
    """Beyond the halo. With corners aligned, enlargement would depend on the frame's size."""
    torch.manual_seed(0)
    network = HrSegNet(4, path_stride).double().eval()
    stride, halo = network.stride, network.halo
    assert halo is not None
    frame = torch.randn(1, 3, 3 * stride + 2 * halo, 2 * stride, dtype=torch.float64)
    with torch.no_grad():
        whole = network(frame)[..., halo + stride : halo + 2 * stride, :]
        tile = network(frame[..., stride : 2 * stride + 2 * halo, :])[..., halo : halo + stride, :]
    torch.testing.assert_close(tile, whole, atol=1e-12, rtol=0)


def test_side_outputs_are_trained_and_left_out_elsewhere() -> None:
    image = torch.randn(1, 3, 40, 64)
    network = HrSegNet(4).eval()
    outputs = network.training_logits(image)
    assert [output.shape for output in outputs] == [(1, 1, 40, 64)] * 3
    assert torch.equal(network(image), outputs[0])
    assert len(HrSegNet(4, deep_supervision=False).eval().training_logits(image)) == 1
