"""A light network for edge devices: one high-resolution path, guided by low-resolution semantics.

After HrSegNet (Li, Ma, Liu, Cheng 2023, "HrSegNet: Real-time High-Resolution Neural Network with Semantic Guidance
for Crack Segmentation"): cracks are a few pixels wide, so the features are never brought back from a low resolution;
a path of constant resolution and width runs from stem to head, and a deeper path at falling resolution is added to
it. 667,072 parameters at the default width on RGB, of which 9,248 serve training only; 1.04 GMAC at 480x320.

Own design from that idea; it differs from the paper's network in this:

* one semantic path runs through all stages, where the paper starts a new one from the high-resolution path in each;
* a stage has two convolutions with a residual path where the paper has three, and the semantic path grows to four
  times the high-resolution one's width where the paper's grows to eight: the default stays under a million parameters
  at twice the width of the paper's smallest network;
* guidance is brought to the path's width before it is enlarged, not after (the same function, at a small part of the
  cost), and added once a stage instead of after each convolution;
* enlargement takes pixel centres as they lie (`align_corners=False`): what the network finds does not depend on the
  image's size, so tiles give what the whole frame gives;
* the head learns its sub-pixels (pixel shuffle) where the paper enlarges the logits bilinearly;
* the path may also stand at half resolution (`path_stride: 2`), for the thinnest cracks.

All of it is plain convolutions, batch normalisation (folded into them by the ONNX exporter), ReLU, bilinear
enlargement by whole factors and pixel shuffle.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from typing_extensions import Self

from train.networks.initialise import he_normal
from train.networks.network import CrackNetwork, NetworkConfig

GROWTH = (1, 2, 4, 4)  # channels of the semantic path by stage, in widths of the high-resolution path


class HrSegNetConfig(NetworkConfig):
    """Channels and resolution of the high-resolution path.

    `path_stride` is the resolution of the path, in input pixels: 4 is the fast one, 2 costs about 3.5 times as much.
    `deep_supervision` also trains the maps after the first and second stage; the exported graph leaves that out.
    """

    width: int = Field(32, ge=2, description="multiples of 8 (fp16) or 32 (int8) fill a tensor core")
    path_stride: Literal[2, 4] = 4
    deep_supervision: bool = True

    def narrowed(self, share: float) -> Self:
        return self.model_copy(update={"width": max(2, round(self.width * share))})


class HrSegNet(CrackNetwork):
    """Stem, three stages of high-resolution and semantic path, pixel-shuffle head."""

    config = HrSegNetConfig

    def __init__(
        self, width: int = 32, path_stride: int = 4, deep_supervision: bool = True, in_channels: int = 3
    ) -> None:
        super().__init__()
        self.stride = path_stride * 2 ** (len(GROWTH) - 1)
        self.halo = _halo(path_stride)
        widths = (in_channels, width) if path_stride == 2 else (in_channels, width // 2, width)
        self.stem = nn.Sequential(*(_conv(a, b, 2) for a, b in pairwise(widths)))
        self.stages = nn.ModuleList(
            Stage(width, growth * width, deeper * width, 2**level)
            for level, (growth, deeper) in enumerate(pairwise(GROWTH), start=1)
        )
        self.head = nn.Sequential(_conv(width, width), _to_pixels(width, path_stride))
        sides = len(self.stages) - 1 if deep_supervision else 0
        self.sides = nn.ModuleList(_to_pixels(width, path_stride) for _ in range(sides))
        he_normal(self, heads=[shuffle[0] for shuffle in (self.head[1], *self.sides)])

    def logits(self, x: Tensor) -> tuple[Tensor, ...]:
        high = semantic = self.stem(x)
        maps: list[Tensor] = []
        for stage in self.stages:
            high, semantic = stage(high, semantic)
            maps.append(high)
        return (self.head(high), *(side(features) for side, features in zip(self.sides, maps, strict=False)))


class Stage(nn.Module):
    """One step of both paths: the semantic one halves its resolution and guides the high-resolution one."""

    def __init__(self, width: int, semantic_in: int, semantic_out: int, factor: int) -> None:
        super().__init__()
        self.factor = float(factor)
        self.high = nn.Sequential(_conv(width, width), *_conv_bn(width, width))
        self.semantic = nn.Sequential(_conv(semantic_in, semantic_out, 2), _conv(semantic_out, semantic_out))
        self.guide = nn.Sequential(nn.Conv2d(semantic_out, width, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, high: Tensor, semantic: Tensor) -> tuple[Tensor, Tensor]:
        """Both paths' maps; after the stage the semantic one has 1/`factor` of the other's resolution."""
        semantic = self.semantic(semantic)
        guidance = F.interpolate(self.guide(semantic), scale_factor=self.factor, mode="bilinear", align_corners=False)
        return F.relu(high + self.high(high) + guidance), semantic


def _halo(path_stride: int) -> int:
    """Context that an output pixel depends on, rounded up to whole strides."""
    stages = len(GROWTH) - 1
    stride = path_stride * 2**stages
    reach = 0
    for position in range(stride):  # where an input pixel lies within a stride decides how far it is felt
        low = high = position  # the first and last place that a change of that pixel reaches
        for _ in range(path_stride // 2):
            low, high = _after_halving(low, high)
        deep_low, deep_high = low, high
        for stage in range(1, stages + 1):
            deep_low, deep_high = _after_halving(deep_low, deep_high)
            deep_low, deep_high = deep_low - 1, deep_high + 1
            factor = 2**stage  # bilinear enlargement spreads a place by half of it, and by half more to either side
            low = min(low - 2, deep_low * factor - factor // 2)
            high = max(high + 2, deep_high * factor + 3 * factor // 2 - 1)
        low, high = (low - 2) * path_stride, (high + 3) * path_stride - 1  # the head's two convolutions
        reach = max(reach, position - low, high - position)
    return -(-reach // stride) * stride


def _after_halving(low: int, high: int) -> tuple[int, int]:
    """Through a 3x3 convolution of stride 2."""
    return low // 2, (high + 1) // 2


def _to_pixels(width: int, path_stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(width, path_stride**2, 3, padding=1), nn.PixelShuffle(path_stride))


def _conv(in_channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(*_conv_bn(in_channels, out_channels, stride), nn.ReLU(inplace=True))


def _conv_bn(in_channels: int, out_channels: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    return (
        nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False),
        nn.BatchNorm2d(out_channels),
    )
