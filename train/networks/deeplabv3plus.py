"""DeepLabv3+ on ResNet-50: atrous spatial pyramid pooling, and a decoder that adds detail from a quarter resolution.

40,347,041 parameters at the paper's widths on RGB, 40.35 M: one class, batch normalisation, plain convolutions (the
depthwise separable ones go with the paper's Xception).
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from train.networks.bilinear import enlarge
from train.networks.initialise import he_normal
from train.networks.network import CrackNetwork
from train.networks.pretrained import PretrainedConfig
from train.networks.resnet import EXPANSION, ResNet50

RATES = (6, 12, 18)  # dilations of the pyramid at output stride 16


class DeepLabV3PlusConfig(PretrainedConfig):
    """Channels of the encoder's stem, of pyramid and decoder, and of the maps at a quarter of the resolution."""

    width: PositiveInt = 64
    pyramid_width: PositiveInt = 256
    low_width: PositiveInt = 48
    sizes: ClassVar[tuple[str, ...]] = ("width", "pyramid_width", "low_width")


class DeepLabV3Plus(CrackNetwork):
    """Output stride 16; the pyramid has five branches, one of them the mean of the whole image.

    Reference:
        Chen, Zhu, Papandreou, Schroff, Adam 2018, section 3.1 and figure 2; the pyramid from Chen et al. 2017
        (DeepLabv3), section 3.3.
    """

    config = DeepLabV3PlusConfig
    stride = 16
    halo = None

    def __init__(
        self,
        width: int = 64,
        pyramid_width: int = 256,
        low_width: int = 48,
        weights: Path | None = None,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.encoder = ResNet50(width, in_channels)
        self.pyramid = Pyramid(8 * EXPANSION * width, pyramid_width)
        self.reduce = _convolution(EXPANSION * width, low_width, 1)
        self.decoder = nn.Sequential(
            _convolution(pyramid_width + low_width, pyramid_width, 3), _convolution(pyramid_width, pyramid_width, 3)
        )
        self.head = nn.Conv2d(pyramid_width, 1, 1)
        he_normal(self, heads=(self.head,))
        if weights is not None:
            self.encoder.load(weights)

    def logits(self, x: Tensor) -> tuple[Tensor, ...]:
        low, high = self.encoder(x)
        # From the image's size: the exporter asks it of a convolution else, whose normalisation it then cannot fold.
        size = (x.shape[-2] // self.stride, x.shape[-1] // self.stride)
        features = torch.cat([enlarge(self.pyramid(high, size), 4), self.reduce(low)], dim=1)
        return (enlarge(self.head(self.decoder(features)), 4),)


class Pyramid(nn.Module):
    """Atrous spatial pyramid pooling: a 1x1, three dilated 3x3 convolutions and the image's mean, mixed by a 1x1.

    The mean of one image is a single value a channel, on which batch normalisation fails for a batch of one and
    leaves nothing but signs for a batch of two. It is normalised over the channels instead, with as many parameters:
    any batch trains, and training and evaluation compute the same.
    """

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [_convolution(in_channels, width, 1), *(_convolution(in_channels, width, 3, rate) for rate in RATES)]
        )
        self.whole = nn.Sequential(
            nn.Conv2d(in_channels, width, 1, bias=False), nn.GroupNorm(1, width), nn.ReLU(inplace=True)
        )
        self.mix = _convolution((len(RATES) + 2) * width, width, 1)

    def forward(self, x: Tensor, size: tuple[int, int]) -> Tensor:
        """Maps of the size of `x`, which `size` must be."""
        whole = self.whole(x.mean(dim=(2, 3), keepdim=True)).expand(-1, -1, *size)
        mixed: Tensor = self.mix(torch.cat([*(branch(x) for branch in self.branches), whole], dim=1))
        return mixed


def _convolution(in_channels: int, out_channels: int, kernel: int, dilation: int = 1) -> nn.Sequential:
    """Convolution that keeps the size, batch normalisation, ReLU."""
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, padding=padding, dilation=dilation, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
