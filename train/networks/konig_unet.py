"""U-Net with König's residual decoder, the network that paper 003 (hybrid focal margin loss) is measured on.

40,679,937 parameters at the default widths on RGB. Neither König et al. nor paper 003 publishes a count or layer
list. The decoder is as paper 003 (section II-B) retells it; inferred are the encoder ("Unet basis"), taken as the
original U-Net's with batch normalisation, its widths, the convolutions without biases, and the residual block, taken
as He et al.'s basic block. With these readings the count is the one above to the last parameter.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from train.networks.initialise import he_normal
from train.networks.network import CrackNetwork, NetworkConfig


class KonigUNetConfig(NetworkConfig):
    """Widths of the levels, from full resolution down."""

    widths: tuple[PositiveInt, ...] = Field((64, 128, 256, 512, 1024), min_length=2)


class KonigUNet(CrackNetwork):
    """Nearest-neighbour enlargement, skips by concatenation, residual blocks in all but the finest decoder level.

    Reference:
        König et al. 2021, "Optimized deep encoder-decoder methods for crack segmentation", retold in paper 003,
        section II-B.
    """

    config = KonigUNetConfig

    def __init__(self, widths: Sequence[int] = (64, 128, 256, 512, 1024), in_channels: int = 3) -> None:
        super().__init__()
        if len(widths) < 2:
            raise ValueError(f"a U-Net needs two levels or more, found widths {tuple(widths)}")
        self.stride = 2 ** (len(widths) - 1)
        self.halo = _halo(len(widths))
        self.encoders = nn.ModuleList(_double_conv(a, b) for a, b in pairwise((in_channels, *widths)))
        self.decoders = nn.ModuleList(
            _double_conv(deep + shallow, shallow) if level == 0 else _residual(deep + shallow, shallow)
            for level, (shallow, deep) in reversed(list(enumerate(pairwise(widths))))
        )
        self.head = nn.Conv2d(widths[0], 1, 1)
        self.pool = nn.MaxPool2d(2)
        he_normal(self, heads=[self.head])

    def logits(self, x: Tensor) -> tuple[Tensor, ...]:
        skips: list[Tensor] = []
        for encoder in self.encoders[:-1]:
            x = encoder(x)
            skips.append(x)
            x = self.pool(x)
        x = self.encoders[-1](x)
        for decoder in self.decoders:
            x = decoder(torch.cat([skips.pop(), F.interpolate(x, scale_factor=2.0, mode="nearest")], dim=1))
        return (self.head(x),)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch normalisation, added to what comes in (He et al. 2016, figure 2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*_conv_bn(width, width), nn.ReLU(inplace=True), *_conv_bn(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.body(x))


def _halo(levels: int) -> int:
    """Half of the receptive field, rounded up to whole strides."""
    stride = 2 ** (levels - 1)
    encoder = sum(2 * 2**level for level in range(levels)) + sum(2**level for level in range(levels - 1))
    decoder = 2 + sum(5 * 2**level for level in range(1, levels - 1))  # one convolution and two residual blocks
    return -(-(encoder + decoder) // stride) * stride


def _residual(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        *_conv_bn(in_channels, out_channels),
        nn.ReLU(inplace=True),
        ResidualBlock(out_channels),
        ResidualBlock(out_channels),
    )


def _double_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        *_conv_bn(in_channels, out_channels),
        nn.ReLU(inplace=True),
        *_conv_bn(out_channels, out_channels),
        nn.ReLU(inplace=True),
    )


def _conv_bn(in_channels: int, out_channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False), nn.BatchNorm2d(out_channels)
