"""The thirteen convolutions of VGG16, encoder of HED, FCN-8s, RCF, SegNet, both DeepCracks and UNet16.

14,714,688 parameters at the paper's widths on RGB, 14,723,136 with batch normalisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from train.networks.pretrained import PretrainedConfig, load_pretrained

WIDTHS = (64, 128, 256, 512, 512)
CONVOLUTIONS = (2, 2, 3, 3, 3)  # a stage; stage k works at 1 / 2**k of the image's resolution
REACH = sum(count * 2**stage for stage, count in enumerate(CONVOLUTIONS))
"""Pixels of context, to each side, that a cell of the last stage depends on, beyond the 16 x 16 that it covers."""


class VggConfig(PretrainedConfig):
    """Widths of the five stages."""

    widths: tuple[PositiveInt, ...] = Field(WIDTHS, min_length=len(WIDTHS), max_length=len(WIDTHS))


class Vgg16(nn.Module):
    """Five stages of 3x3 convolutions with ReLU; a 2x2 max pooling belongs between them.

    Args:
        widths: channels of the stages.
        in_channels: channels of the image.
        batch_norm: normalise after each convolution (torchvision's `vgg16_bn`).
        last_dilation: of the convolutions of the last stage.

    Shape:
        input (N, in_channels, H, W), sides multiples of 16; output five maps, (N, widths[k], H / 2**k, W / 2**k).

    Reference:
        Simonyan, Zisserman 2015, table 1, column D.
    """

    def __init__(
        self,
        widths: Sequence[int] = WIDTHS,
        in_channels: int = 3,
        *,
        batch_norm: bool = False,
        last_dilation: int = 1,
    ) -> None:
        super().__init__()
        if len(widths) != len(CONVOLUTIONS):
            raise ValueError(f"VGG16 has {len(CONVOLUTIONS)} stages, found widths {tuple(widths)}")
        dilations = (1, 1, 1, 1, last_dilation)
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(
                    convolution(inner, width, batch_norm=batch_norm, dilation=dilation)
                    for inner in (before, *[width] * (count - 1))
                )
            )
            for (before, width), count, dilation in zip(
                pairwise((in_channels, *widths)), CONVOLUTIONS, dilations, strict=True
            )
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        maps: list[Tensor] = []
        for stage in self.stages:
            x = stage(F.max_pool2d(x, 2) if maps else x)
            maps.append(x)
        return maps

    def load(self, path: Path) -> None:
        """Load ImageNet weights of torchvision's `vgg16`, or `vgg16_bn` with batch normalisation.

        Raises:
            ConfigError: there is no such file.
            CheckpointError: it cannot be used.
        """
        load_pretrained(self, path, self.torchvision_names(), ignored=("classifier.",))

    def torchvision_names(self) -> dict[str, str]:
        """Our names of the parameters and statistics, and torchvision's, which numbers all layers in one row."""
        names: dict[str, str] = {}
        row = 0
        for stage, units in enumerate(self.stages):
            for number, unit in enumerate(units.children()):
                for place, layer in enumerate(unit.children()):
                    for name in layer.state_dict():
                        names[f"stages.{stage}.{number}.{place}.{name}"] = f"features.{row}.{name}"
                    row += 1
            row += 1  # the pooling
        return names


def convolution(in_channels: int, out_channels: int, *, batch_norm: bool, dilation: int = 1) -> nn.Sequential:
    """3x3 convolution with bias that keeps the size, batch normalisation where wanted, ReLU."""
    layers: list[nn.Module] = [nn.Conv2d(in_channels, out_channels, 3, padding=dilation, dilation=dilation)]
    if batch_norm:
        layers.append(nn.BatchNorm2d(out_channels))
    return nn.Sequential(*layers, nn.ReLU(inplace=True))
