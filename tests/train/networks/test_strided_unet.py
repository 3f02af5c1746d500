"""The strided U-Net: every pixel keeps its own logit, at a fraction of a U-Net's work."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from train.networks.strided_unet import StridedUNet
from train.networks.unet import UNet


def test_parameters() -> None:
    with torch.device("meta"):
        network = StridedUNet()
    assert sum(parameter.numel() for parameter in network.parameters()) == 1_944_436


@pytest.mark.parametrize("stem", [1, 2, 4])
def test_neighbouring_pixels_have_logits_of_their_own(stem: int) -> None:
    torch.manual_seed(0)
    network = StridedUNet((4, 8), stem).eval()
    logits = network(torch.randn(1, 3, 16, 16))[0, 0]
    assert logits.unique().numel() == logits.numel()


def test_it_does_a_quarter_of_the_work_of_a_unet_of_its_size() -> None:
    widths = (16, 32, 64, 128, 256)

    def work(network: torch.nn.Module) -> int:
        with FlopCounterMode(display=False) as counter:
            network(torch.empty(1, 3, 320, 480, device="meta"))
        return int(counter.get_total_flops())

    with torch.device("meta"):
        strided, plain = StridedUNet(widths), UNet(widths)
    assert work(strided) < 0.3 * work(plain)


@pytest.mark.parametrize(("levels", "stem"), [(2, 1), (2, 2), (3, 2), (2, 4)])
def test_halo_holds_and_is_not_wasteful(levels: int, stem: int) -> None:
    torch.manual_seed(0)
    network = StridedUNet((3,) * levels, stem).double().eval()
    size = 2 * network.halo + 4 * network.stride
    image = torch.randn(1, 3, size, size, dtype=torch.float64)
    reaches = []
    with torch.no_grad():
        before = network(image)
        for shift in range(network.stride):
            position = size // 2 + shift
            changed = image.clone()
            changed[..., position] += 10.0
            columns = (network(changed) - before).abs().amax((0, 1, 2)).gt(1e-12).nonzero().flatten()
            reaches.append(max(position - int(columns.min()), int(columns.max()) - position))
    assert max(reaches) <= network.halo
    assert network.halo - max(reaches) < 2 * network.stride
