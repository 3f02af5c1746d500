"""DeepCrack of Zou et al. 2018 (IEEE TIP 28): SegNet whose encoder and decoder are fused at each scale.

30,905,011 parameters at the paper's widths on RGB, 30.91 M: the network of the authors' published code, without
batch normalisation (1x1 instead of 3x3 convolutions in the fusion would give 29.47 M).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import torch
from pydantic import PositiveInt
from torch import Tensor, nn

from train.networks.bilinear import enlarge, enlarging_reach
from train.networks.initialise import he_normal
from train.networks.network import CrackNetwork
from train.networks.segnet import STRIDE, UNPOOLING_REACH, mirrored
from train.networks.unpooling import max_pool_with_positions, max_unpool
from train.networks.vgg import CONVOLUTIONS, REACH, WIDTHS, Vgg16, VggConfig, convolution


class DeepCrackZouConfig(VggConfig):
    """Widths of the stages, and channels that each scale's fusion works with."""

    fuse_width: PositiveInt = 64
    sizes: ClassVar[tuple[str, ...]] = ("widths", "fuse_width")


class DeepCrackZou(CrackNetwork):
    """A 3x3 convolution over the five scales' logits gives the fused ones; all six are supervised.

    Each scale is enlarged before its fusion's convolutions, as the authors do: 1,024 channels at full resolution.

    Reference:
        Zou, Zhang, Li, Qi, Wang, Wang 2018, "DeepCrack: Learning hierarchical convolutional features for crack
        detection", section III.
    """

    config = DeepCrackZouConfig
    stride = STRIDE

    def __init__(
        self,
        widths: Sequence[int] = WIDTHS,
        fuse_width: int = 64,
        weights: Path | None = None,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.halo = _halo()
        self.encoder = Vgg16(widths, in_channels)
        self.decoders = mirrored(widths, CONVOLUTIONS, batch_norm=False)
        self.fusions = nn.ModuleList(
            Fusion(width + above, fuse_width, 2**stage)
            for stage, (width, above) in enumerate(zip(widths, (widths[0], *widths), strict=False))
        )
        self.fuse = nn.Conv2d(len(widths), 1, 3, padding=1)
        he_normal(self, heads=(fusion.head for fusion in self.fusions if isinstance(fusion, Fusion)))
        nn.init.xavier_normal_(self.fuse.weight)
        if weights is not None:
            self.encoder.load(weights)

    def logits(self, x: Tensor) -> tuple[Tensor, ...]:
        encoded: list[Tensor] = []
        positions: list[Tensor] = []
        for stage in self.encoder.stages:
            encoded.append(stage(x))
            x, places = max_pool_with_positions(encoded[-1])
            positions.append(places)
        sides: list[Tensor] = []
        for decoder, fusion in zip(self.decoders, reversed(self.fusions), strict=True):
            x = decoder(max_unpool(x, positions.pop()))
            sides.insert(0, fusion(encoded.pop(), x))
        return (self.fuse(torch.cat(sides, dim=1)), *sides)


class Fusion(nn.Module):
    """Logits at the image's size from encoder and decoder maps of one scale."""

    def __init__(self, in_channels: int, width: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.mix = convolution(in_channels, width, batch_norm=False)
        self.head = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, encoded: Tensor, decoded: Tensor) -> Tensor:
        logits: Tensor = self.head(self.mix(enlarge(torch.cat([encoded, decoded], dim=1), self.factor)))
        return logits


def _halo() -> int:
    """Of the farthest reaching scale: three convolutions, the enlargement, and the decoder up to that scale."""
    reach = 0
    below = REACH + UNPOOLING_REACH  # of the decoder's output at a scale: convolutions and unpoolings down to there
    for stage, count in enumerate(CONVOLUTIONS):
        reach = max(reach, 3 + enlarging_reach(2**stage) + below + REACH)
        below -= (count + 1) * 2**stage
    return -(-reach // STRIDE) * STRIDE
