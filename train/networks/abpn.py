"""A light super-resolution network for edge devices: plain 3x3 convolutions on the small frame, one depth-to-space.

After ABPN (Du, Liu, Tang, Wu 2021, "Anchor-based Plain Net for Mobile Image Super-Resolution", Mobile AI workshop of
CVPR): what is learnt is a correction of the enlarged input, the anchor, so that weights and maps keep the small ranges
that 8 bits can hold. 61,008 parameters at the default width and depth on RGB; 0.50 GFLOP at a frame of 64x64, 1/160 of
DBPN-6's.

It differs from the paper's network in this:

* the anchor is a fixed 1x1 convolution that writes each input channel into its scale x scale sub-pixels (as Luo et al.
  2022, "Fast Nearest Convolution", do) instead of a concatenation of copies: the same numbers, and an engine fuses it;
* the paper's last but one convolution, between maps of sub-pixels, is left out: at scale 4 it alone would cost as much
  as two layers of width 32;
* the last layer starts at zero: before any training the network is nearest-neighbour enlargement, and a segmentation
  network that learns behind it sees an image from the first step on.

At inference there are convolutions, ReLUs, one addition and one depth-to-space, nothing at high resolution.
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from train.networks.initialise import he_normal
from train.networks.network import NetworkConfig
from train.networks.super_resolution import SuperResolutionNetwork


class AbpnConfig(NetworkConfig):
    """Size of an ABPN; `depth` counts the convolutions with a ReLU."""

    sizes: ClassVar[tuple[str, ...]] = ("width",)

    scale: Literal[2, 4] = 4
    width: PositiveInt = Field(32, description="others than multiples of 16 cost as much as the next one on AVX-512")
    depth: PositiveInt = 6


class Abpn(SuperResolutionNetwork):
    """Corrects the enlarged input by what plain convolutions find in the small one."""

    config: ClassVar[type[NetworkConfig]] = AbpnConfig
    anchor: Tensor

    def __init__(self, scale: int = 4, width: int = 32, depth: int = 6, in_channels: int = 3) -> None:
        super().__init__()
        self.scale, self.depth = scale, depth
        sub_pixels = scale**2
        maps = (in_channels, *[width] * depth)
        self.features = nn.Sequential(
            *(layer for a, b in pairwise(maps) for layer in (nn.Conv2d(a, b, 3, padding=1), nn.ReLU(inplace=True)))
        )
        self.correction = nn.Conv2d(width, in_channels * sub_pixels, 3, padding=1)
        copies = torch.eye(in_channels).repeat_interleave(sub_pixels, dim=0)[..., None, None]
        self.register_buffer("anchor", copies, persistent=False)
        he_normal(self, heads=[])
        nn.init.zeros_(self.correction.weight)

    @property
    def halo(self) -> int:
        return self.depth + 1  # each 3x3 convolution reaches one pixel further

    def forward(self, x: Tensor) -> Tensor:
        image = self.correction(self.features(x)) + F.conv2d(x, self.anchor)
        return F.pixel_shuffle(image, self.scale)
