"""Richer convolutional features (RCF): all thirteen convolutions of VGG16 contribute to the side outputs.

14,803,781 parameters at the paper's widths on RGB: no batch normalisation, fixed bilinear enlargement.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from pydantic import PositiveInt
from torch import Tensor, nn

from train.networks.bilinear import enlarge
from train.networks.initialise import he_normal
from train.networks.network import CrackNetwork
from train.networks.vgg import CONVOLUTIONS, WIDTHS, Vgg16, VggConfig

STRIDE = 8
DILATION = 2
# The last stage: interpolation between two corners of cells (15 pixels to the far side of a cell), three dilated
# convolutions; then the four stages before it.
HALO = 15 + 3 * DILATION * STRIDE + sum(count * 2**stage for stage, count in enumerate(CONVOLUTIONS[:-1]))


class RcfConfig(VggConfig):
    """Widths of the stages, and channels that each convolution's output is reduced to."""

    side_width: PositiveInt = 21
    sizes: ClassVar[tuple[str, ...]] = ("widths", "side_width")


class Rcf(CrackNetwork):
    """Within a stage, 1x1 reductions of all outputs are summed and scored; a 1x1 convolution fuses the five scores.

    The fourth pooling has stride 1 and the last stage is dilated, so that the resolution never falls below an eighth.

    Reference:
        Liu, Cheng, Hu, Wang, Bai 2017, section 3.1 and figure 2 (and its section 4 for the fourth pooling).
    """

    config = RcfConfig
    stride = STRIDE
    halo = -(-HALO // STRIDE) * STRIDE

    def __init__(
        self,
        widths: Sequence[int] = WIDTHS,
        side_width: int = 21,
        weights: Path | None = None,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.encoder = Vgg16(widths, in_channels, last_dilation=DILATION)
        self.reductions = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(width, side_width, 1) for _ in range(count))
            for width, count in zip(widths, CONVOLUTIONS, strict=True)
        )
        self.scores = nn.ModuleList(nn.Conv2d(side_width, 1, 1) for _ in widths)
        self.fuse = nn.Conv2d(len(widths), 1, 1)
        linear = (*self.reductions.modules(), *self.scores)
        he_normal(self, heads=(module for module in linear if isinstance(module, nn.Conv2d)))
        nn.init.constant_(self.fuse.weight, 1 / len(widths))
        if weights is not None:
            self.encoder.load(weights)

    def logits(self, x: Tensor) -> tuple[Tensor, ...]:
        sides: list[Tensor] = []
        for number, (stage, reductions) in enumerate(zip(self.encoder.stages, self.reductions, strict=True)):
            last = number == len(self.encoder.stages) - 1
            if last:
                # Stride 1: the results stand at the corners of the cells, one more a side than there are cells.
                x = F.max_pool2d(x, 2, stride=1, padding=1)
            elif number:
                x = F.max_pool2d(x, 2)
            reduced: list[Tensor] = []
            for unit, reduction in zip(stage.children(), reductions.children(), strict=True):
                x = unit(x)
                reduced.append(reduction(x))
            score = self.scores[number](sum(reduced[1:], start=reduced[0]))
            if last:
                half = STRIDE // 2
                sides.append(enlarge(score, STRIDE)[..., half:-half, half:-half])
            else:
                sides.append(enlarge(score, 2**number))
        return (self.fuse(torch.cat(sides, dim=1)), *sides)
