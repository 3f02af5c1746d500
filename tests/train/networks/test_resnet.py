"""ResNet-50: size, torchvision's names, maps at a quarter and a sixteenth."""

from __future__ import annotations

import pytest
import torch

from train.networks.count import count
from train.networks.resnet import Bottleneck, ResNet50


def test_parameter_count() -> None:
    """25,557,032 with the classifier's 2,049,000."""
    with torch.device("meta"):
        assert count(ResNet50(), (32, 32)).parameters == 25_557_032 - 2_049_000


def test_torchvision_names_and_shapes() -> None:
    with torch.device("meta"):
        state = ResNet50().state_dict()
    assert len(state) == 318  # 320 with the classifier
    shapes = {
        "conv1.weight": (64, 3, 7, 7),
        "bn1.running_var": (64,),
        "layer1.0.downsample.0.weight": (256, 64, 1, 1),
        "layer2.3.conv3.weight": (512, 128, 1, 1),
        "layer3.5.bn2.bias": (256,),
        "layer4.0.downsample.1.running_mean": (2048,),
        "layer4.2.conv2.weight": (512, 512, 3, 3),
    }
    assert {name: tuple(state[name].shape) for name in shapes} == shapes


def test_maps() -> None:
    low, high = ResNet50(width=2, in_channels=1).eval()(torch.randn(2, 1, 32, 48))
    assert low.shape == (2, 8, 8, 12)
    assert high.shape == (2, 64, 2, 3)


@pytest.mark.parametrize(("in_channels", "stride", "changes"), [(8, 1, False), (4, 1, True), (8, 2, True)])
def test_block_without_weights_passes_its_input_on(in_channels: int, stride: int, changes: bool) -> None:
    block = Bottleneck(in_channels, 2, stride, dilation=1).eval()
    torch.nn.init.zeros_(block.bn3.weight)
    x = torch.rand(1, in_channels, 4, 4)
    same = block(x).shape == x.shape and torch.equal(block(x), x)
    assert same is not changes
