"""Holistically-nested edge detection (HED): VGG16 with a deeply supervised output at each stage.

14,716,171 parameters at the paper's widths on RGB: no batch normalisation, biases, fixed bilinear enlargement.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from train.networks.bilinear import enlarge, enlarging_reach
from train.networks.initialise import he_normal
from train.networks.network import CrackNetwork
from train.networks.vgg import REACH, WIDTHS, Vgg16, VggConfig

STRIDE = 16


class Hed(CrackNetwork):
    """Each stage gives logits by a 1x1 convolution; another 1x1 convolution over the five of them fuses.

    Zero padding of one pixel a convolution takes the place of the paper's 35 pixels around the image.

    Reference:
        Xie, Tu 2015, figure 3 and equations (1)-(4).
    """

    config = VggConfig
    batch_norm: ClassVar[bool] = False
    stride = STRIDE
    halo = -(-(enlarging_reach(STRIDE) + REACH) // STRIDE) * STRIDE

    def __init__(self, widths: Sequence[int] = WIDTHS, weights: Path | None = None, in_channels: int = 3) -> None:
        super().__init__()
        self.encoder = Vgg16(widths, in_channels, batch_norm=self.batch_norm)
        self.sides = nn.ModuleList(nn.Conv2d(width, 1, 1) for width in widths)
        self.fuse = nn.Conv2d(len(widths), 1, 1)
        he_normal(self, heads=(side for side in self.sides if isinstance(side, nn.Conv2d)))
        nn.init.constant_(self.fuse.weight, 1 / len(widths))  # starts as their mean (section 4.1)
        if weights is not None:
            self.encoder.load(weights)

    def logits(self, x: Tensor) -> tuple[Tensor, ...]:
        sides = [
            enlarge(side(features), 2**stage)
            for stage, (side, features) in enumerate(zip(self.sides, self.encoder(x), strict=True))
        ]
        return (self.fuse(torch.cat(sides, dim=1)), *sides)
