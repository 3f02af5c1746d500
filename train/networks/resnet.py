"""ResNet-50 without its classifier, encoder of DeepLabv3+.

23,508,032 parameters at the paper's width on RGB. Modules have torchvision's names, so that its weights fit.
"""

from __future__ import annotations

from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from train.networks.pretrained import load_pretrained

EXPANSION = 4  # a block's output has so many times the channels of its 3x3 convolution
DILATIONS = (2, 4, 8)  # of the last stage's blocks


class ResNet50(nn.Module):
    """Maps at a quarter and at a sixteenth of the resolution.

    The last stage keeps the resolution of the one before; its 3x3 convolutions are dilated instead, by 2 x (1, 2, 4).

    Shape:
        input (N, in_channels, H, W), sides multiples of 16; output (N, 4*width, H/4, W/4), (N, 32*width, H/16, W/16).

    Reference:
        He et al. 2016, table 1 (the stride in a block's 3x3 convolution, as torchvision's weights have it); Chen et
        al. 2017 (DeepLabv3), sections 3.1 and 4.1 for output stride 16 and the multi-grid.
    """

    def __init__(self, width: int = 64, in_channels: int = 3) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        wide = EXPANSION * width
        self.layer1 = _stage(width, width, stride=1, dilations=(1, 1, 1))
        self.layer2 = _stage(wide, 2 * width, stride=2, dilations=(1, 1, 1, 1))
        self.layer3 = _stage(2 * wide, 4 * width, stride=2, dilations=(1, 1, 1, 1, 1, 1))
        self.layer4 = _stage(4 * wide, 8 * width, stride=1, dilations=DILATIONS)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = F.relu(self.bn1(self.conv1(x)))
        low = self.layer1(F.max_pool2d(x, 3, stride=2, padding=1))
        return low, self.layer4(self.layer3(self.layer2(low)))

    def load(self, path: Path) -> None:
        """Load ImageNet weights of torchvision's `resnet50`.

        Raises:
            ConfigError: there is no such file.
            CheckpointError: it cannot be used.
        """
        load_pretrained(self, path, {name: name for name in self.state_dict()}, ignored=("fc.",))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution with batch normalisation, added to what comes in."""

    def __init__(self, in_channels: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        out_channels = EXPANSION * width
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.downsample(x) + self.bn3(self.conv3(y)))


def _stage(in_channels: int, width: int, stride: int, dilations: tuple[int, ...]) -> nn.Sequential:
    """A block for each dilation; the first one brings stride and channels."""
    first, *others = dilations
    return nn.Sequential(
        Bottleneck(in_channels, width, stride, first),
        *(Bottleneck(EXPANSION * width, width, 1, dilation) for dilation in others),
    )
