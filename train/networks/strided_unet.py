"""A U-Net that works at half resolution: a pixel-unshuffle stem before it and a sub-pixel head behind it.

fissura's own network for training and inference at speed. On a CPU the convolutions of a U-Net's top level, many
pixels and few channels, wait for memory; behind the stem the same pixels are fewer and their channels more. Cracks a
pixel wide survive, since the stem drops nothing and the head gives every pixel its own logit.
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
from train.networks.unet import reach
from train.networks.upsampling import Upsampling, upsample


class StridedUNetConfig(NetworkConfig):
    """`widths` of the levels from the stem's resolution down; the stem folds `stem` x `stem` pixels into one."""

    widths: tuple[PositiveInt, ...] = Field((16, 32, 64, 128, 256), min_length=2)
    stem: int = Field(2, ge=1, le=8)
    upsampling: Upsampling = "deconv"


class StridedUNet(CrackNetwork):
    """Batch-normalised U-Net between space-to-depth and depth-to-space.

    Reference:
        Ronneberger et al. 2015 (U-Net); Shi et al. 2016 (sub-pixel convolution). He-normal initialisation.
    """

    config = StridedUNetConfig

    def __init__(
        self,
        widths: Sequence[int] = (16, 32, 64, 128, 256),
        stem: int = 2,
        upsampling: Upsampling = "deconv",
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.stem = stem
        self.stride = stem * 2 ** (len(widths) - 1)
        self.halo = _halo(len(widths), stem, upsampling)
        top = widths[0]
        self.encoders = nn.ModuleList(_double(a, b) for a, b in pairwise((in_channels * stem**2, *widths)))
        pairs = list(pairwise(widths))[::-1]
        self.ups = nn.ModuleList(upsample(deep, shallow, upsampling) for shallow, deep in pairs)
        self.decoders = nn.ModuleList(_double(2 * shallow, shallow) for shallow, _ in pairs)
        self.head = nn.Conv2d(top, stem**2, 3, padding=1)
        he_normal(self, [self.head])

    def logits(self, x: Tensor) -> tuple[Tensor, ...]:
        x = F.pixel_unshuffle(x, self.stem)
        skips: list[Tensor] = []
        for level, encoder in enumerate(self.encoders):
            x = encoder(x if level == 0 else F.max_pool2d(x, 2))
            skips.append(x)
        skips.pop()
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = decoder(torch.cat([skips.pop(), up(x)], dim=1))
        return (F.pixel_shuffle(self.head(x), self.stem),)


def _convolution(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def _double(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(_convolution(in_channels, out_channels), _convolution(out_channels, out_channels))


def _halo(levels: int, stem: int, upsampling: Upsampling) -> int:
    """Half of the receptive field in input pixels, rounded up to whole strides."""
    stride = stem * 2 ** (levels - 1)
    # The head reaches one cell; a stem's cell is seen as a whole.
    pixels = stem * (reach(levels, upsampling) + 1) + stem - 1
    return -(-pixels // stride) * stride
