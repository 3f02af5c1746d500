"""Spiral-Net of paper 002: encoder-decoders of growing depth in a row, each seeing all maps before it.

41,600,456 parameters (paper: 39.7 M in units of 2**20); 41,625,942 with affine batch normalisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from pydantic import Field, PositiveInt, model_validator
from torch import Tensor, nn
from typing_extensions import Self

from train.networks.network import CrackNetwork, NetworkConfig
from train.networks.odd_layers import decoder_layer, draw_weights, encoder_layer, pad_to_odd_grid
from train.networks.pix2pix_unet import WIDTHS


class SpiralNetConfig(NetworkConfig):
    """Size and order of the modules.

    `widths` are those of the encoder layers, from full resolution down. `depths` says how many of them each module
    has; paper 002, table 2 tries other orders than the default. `affine`: batch normalisation scales and shifts.
    """

    widths: tuple[PositiveInt, ...] = Field(WIDTHS, min_length=1)
    depths: tuple[PositiveInt, ...] = Field((1, 2, 3, 4, 5, 6, 7), min_length=1)
    affine: bool = False

    @model_validator(mode="after")
    def _depths_have_widths(self) -> Self:
        if max(self.depths) > len(self.widths):
            raise ValueError(f"`depths` go down to {max(self.depths)} layers, `widths` has {len(self.widths)}")
        return self


class SpiralNet(CrackNetwork):
    """Modules in a row, each giving one map; a 1x1 convolution weighs the maps.

    The first module sees the image, every other one the maps of all modules before it, without the image. Modules have
    no skips inside. The halo is None for `Pix2PixUNet`'s reasons.

    Reference:
        paper 002, section 2, figure 1b and table 1. Whether batch normalisation is affine is left open there: both
        counts round to the published one.
    """

    config = SpiralNetConfig
    stride = 1
    halo = None

    def __init__(
        self,
        widths: Sequence[int] = WIDTHS,
        depths: Sequence[int] = (1, 2, 3, 4, 5, 6, 7),
        affine: bool = False,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if not depths or not 1 <= min(depths) <= max(depths) <= len(widths):
            raise ValueError(f"depths {tuple(depths)} do not fit widths {tuple(widths)}")
        self.layers = max(depths)
        self.hourglasses = nn.ModuleList(
            _hourglass((in_channels if index == 0 else index, *widths[:depth]), affine)
            for index, depth in enumerate(depths)
        )
        self.head = nn.Conv2d(len(depths), 1, 1)
        draw_weights(self)
        # Few inputs: with N(0, 0.02) as elsewhere all logits, and the modules' gradients, would start near zero.
        nn.init.xavier_normal_(self.head.weight)

    def logits(self, x: Tensor) -> tuple[Tensor, ...]:
        height, width = x.shape[-2:]
        x = pad_to_odd_grid(x, self.layers)
        maps: list[Tensor] = []
        for hourglass in self.hourglasses:
            maps.append(hourglass(torch.cat(maps, dim=1) if maps else x))
        return (self.head(torch.cat(maps, dim=1))[..., :height, :width],)


def _hourglass(widths: Sequence[int], affine: bool) -> nn.Sequential:
    """An encoder-decoder that gives one map: encoder layers of these widths, and back the same way."""
    down = [encoder_layer(a, b, affine) for a, b in pairwise(widths)]
    up = [decoder_layer(b, a, affine) for a, b in pairwise((1, *widths[1:]))][::-1]
    return nn.Sequential(*down, *up)
