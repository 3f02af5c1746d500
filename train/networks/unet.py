"""Revised U-Net of paper 000 (adaptive cost-sensitive loss): same-size convolutions, no batch normalisation.

31,031,745 parameters at the default widths on RGB, 31,030,593 on grey.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from train.networks.initialise import he_normal
from train.networks.network import CrackNetwork, NetworkConfig
from train.networks.upsampling import Upsampling, upsample, upsampling_reach


class UNetConfig(NetworkConfig):
    """Widths of the levels, from full resolution down, and how the decoder enlarges."""

    widths: tuple[PositiveInt, ...] = Field((64, 128, 256, 512, 1024), min_length=2)
    upsampling: Upsampling = "deconv"


class UNet(CrackNetwork):
    """Encoder of max pooling, decoder of 2x2 transposed convolutions (the paper's) or resizes, skips by concatenation.

    Reference:
        paper 000, section III-A; Ronneberger et al. 2015. He-normal initialisation (paper 000's code base).
    """

    config = UNetConfig

    def __init__(
        self,
        widths: Sequence[int] = (64, 128, 256, 512, 1024),
        upsampling: Upsampling = "deconv",
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if len(widths) < 2:
            raise ValueError(f"a U-Net needs two levels or more, found widths {tuple(widths)}")
        self.stride = 2 ** (len(widths) - 1)
        self.halo = -(-reach(len(widths), upsampling) // self.stride) * self.stride  # rounded up to whole strides
        self.encoders = nn.ModuleList(_double_conv(a, b) for a, b in pairwise((in_channels, *widths)))
        pairs = list(pairwise(widths))[::-1]
        self.ups = nn.ModuleList(upsample(deep, shallow, upsampling) for shallow, deep in pairs)
        self.decoders = nn.ModuleList(_double_conv(2 * shallow, shallow) for shallow, _ in pairs)
        self.head = nn.Conv2d(widths[0], 1, 1)
        self.pool = nn.MaxPool2d(2)
        he_normal(self, [self.head])

    def logits(self, x: Tensor) -> tuple[Tensor, ...]:
        skips: list[Tensor] = []
        for encoder in self.encoders[:-1]:
            x = encoder(x)
            skips.append(x)
            x = self.pool(x)
        x = self.encoders[-1](x)
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = decoder(torch.cat([skips.pop(), up(x)], dim=1))
        return (self.head(x),)


def reach(levels: int, upsampling: Upsampling) -> int:
    """Half of the receptive field of such an encoder and decoder, in pixels of its top level."""
    encoder = sum(2 * 2**level for level in range(levels)) + sum(2**level for level in range(levels - 1))
    decoder = sum((2 + upsampling_reach(upsampling)) * 2**level for level in range(levels - 1))
    return encoder + decoder


def _double_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.Conv2d(out_channels, out_channels, 3, padding=1),
        nn.ReLU(inplace=True),
    )
