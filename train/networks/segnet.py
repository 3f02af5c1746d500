"""SegNet: VGG16 and its mirror image, which puts values back where the encoder's max pooling found them.

29,443,585 parameters at the paper's widths on RGB: one class, batch normalisation, biases.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from train.networks.initialise import he_normal
from train.networks.network import CrackNetwork
from train.networks.unpooling import max_pool_with_positions, max_unpool
from train.networks.vgg import CONVOLUTIONS, REACH, WIDTHS, Vgg16, VggConfig, convolution

STRIDE = 32
UNPOOLING_REACH = sum(2**stage for stage in range(len(CONVOLUTIONS)))  # a pixel stands for its whole window
HALO = 2 * REACH + UNPOOLING_REACH


class SegNet(CrackNetwork):
    """Five poolings, five unpoolings, as many convolutions on the way up as on the way down.

    Reference:
        Badrinarayanan, Kendall, Cipolla 2017, section 3 and figure 2.
    """

    config = VggConfig
    stride = STRIDE
    halo = -(-HALO // STRIDE) * STRIDE

    def __init__(self, widths: Sequence[int] = WIDTHS, weights: Path | None = None, in_channels: int = 3) -> None:
        super().__init__()
        self.encoder = Vgg16(widths, in_channels, batch_norm=True)
        counts = (CONVOLUTIONS[0] - 1, *CONVOLUTIONS[1:])  # the head is the last convolution at full resolution
        self.decoders = mirrored(widths, counts, batch_norm=True)
        self.head = nn.Conv2d(widths[0], 1, 3, padding=1)
        he_normal(self, heads=(self.head,))
        if weights is not None:
            self.encoder.load(weights)

    def logits(self, x: Tensor) -> tuple[Tensor, ...]:
        positions: list[Tensor] = []
        for stage in self.encoder.stages:
            x, places = max_pool_with_positions(stage(x))
            positions.append(places)
        for decoder in self.decoders:
            x = decoder(max_unpool(x, positions.pop()))
        return (self.head(x),)


def mirrored(widths: Sequence[int], counts: Sequence[int], *, batch_norm: bool) -> nn.ModuleList:
    """Decoder stages from the lowest resolution up; the last convolution of each changes to the next one's width.

    Args:
        widths: of the encoder's stages.
        counts: convolutions in each of them.
        batch_norm: normalise after each convolution.
    """
    stages = [
        nn.Sequential(
            *(convolution(width, width, batch_norm=batch_norm) for _ in range(count - 1)),
            convolution(width, above, batch_norm=batch_norm),
        )
        for width, above, count in zip(widths, (widths[0], *widths), counts, strict=False)
    ]
    return nn.ModuleList(stages[::-1])
