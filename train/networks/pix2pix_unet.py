"""The U-Net that paper 002 (Spiral-Net) compares with, after pix2pix's generator, and its wide variant.

23,522,112 parameters for the U-Net, 41,858,208 for the wide one (paper: 22.4 M and 39.9 M in units of 2**20).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from train.networks.network import CrackNetwork, NetworkConfig
from train.networks.odd_layers import decoder_layer, draw_weights, encoder_layer, pad_to_odd_grid

WIDTHS = (64, 128, 256, 512, 512, 512, 512)  # paper 002, table 1
WIDE_WIDTHS = (85, 171, 341, 683, 683, 683, 683)  # 4/3 of them, rounded


class Pix2PixUNetConfig(NetworkConfig):
    """Widths of the encoder layers, from full resolution down; `affine`: batch normalisation scales and shifts."""

    widths: tuple[PositiveInt, ...] = Field(WIDTHS, min_length=2)
    affine: bool = False


class WideUNetConfig(Pix2PixUNetConfig):
    """The same options; the defaults have about 4/3 of the channels."""

    widths: tuple[PositiveInt, ...] = Field(WIDE_WIDTHS, min_length=2)
    affine: bool = True


class Pix2PixUNet(CrackNetwork):
    """Unpadded 3x3 convolutions of stride 2 down to one pixel, transposed ones back, skips by concatenation.

    The last transposed convolution gives logits, hence no ReLU behind it. It is followed by batch normalisation only
    where that has a scale and shift to learn: a fixed mean of zero would call half of all pixels cracks.

    The halo is None: the layers' grid starts at the image's upper left corner, so a part of an image gives the whole
    image's values only where its corner lies on that grid, and the deepest layers see nearly all of a usual image.

    Reference:
        paper 002, sections 4.1, 4.2 and table 1; Isola et al. 2017 (whose initialisation, N(0, 0.02), is taken as
        paper 002 names none). Paper 002 leaves open whether batch normalisation is affine: both counts round to the
        published ones.
    """

    config = Pix2PixUNetConfig
    stride = 1
    halo = None

    def __init__(self, widths: Sequence[int] = WIDTHS, affine: bool = False, in_channels: int = 3) -> None:
        super().__init__()
        if len(widths) < 2:
            raise ValueError(f"a U-Net needs two layers or more, found widths {tuple(widths)}")
        self.encoders = nn.ModuleList(encoder_layer(a, b, affine) for a, b in pairwise((in_channels, *widths)))
        pairs = list(pairwise(widths))[::-1]
        self.decoders = nn.ModuleList(
            # The deepest layer has no skip beside it.
            decoder_layer(deep if index == 0 else 2 * deep, shallow, affine)
            for index, (shallow, deep) in enumerate(pairs)
        )
        self.head = nn.Sequential(nn.ConvTranspose2d(2 * widths[0], 1, 3, stride=2, bias=False))
        if affine:
            self.head.append(nn.BatchNorm2d(1))
        draw_weights(self)

    def logits(self, x: Tensor) -> tuple[Tensor, ...]:
        height, width = x.shape[-2:]
        x = pad_to_odd_grid(x, len(self.encoders))
        skips: list[Tensor] = []
        for encoder in self.encoders:
            x = encoder(x)
            skips.append(x)
        x = skips.pop()
        for decoder in self.decoders:
            x = torch.cat([skips.pop(), decoder(x)], dim=1)
        return (self.head(x)[..., :height, :width],)


class WideUNet(Pix2PixUNet):
    """The U-Net widened to Spiral-Net's size, to show that depth and order, not size, make the difference.

    Reference:
        paper 002, table 5. With `affine` false it has 41,846,256 parameters, which rounds to the same 39.9 M.
    """

    config = WideUNetConfig

    def __init__(self, widths: Sequence[int] = WIDE_WIDTHS, affine: bool = True, in_channels: int = 3) -> None:
        super().__init__(widths, affine, in_channels)
