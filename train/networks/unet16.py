"""UNet16 of paper 004 (CSSR): VGG16's convolutions as encoder, pixel shuffle as decoder.

29,500,033 parameters at the default widths on RGB; 39,200,065 with transposed convolutions. Together with DBPN-6 x4
these are the 38,302,127 of CSSR.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from train.networks.initialise import he_normal
from train.networks.network import CrackNetwork
from train.networks.vgg import REACH, WIDTHS, Vgg16, VggConfig, convolution

Upsampling = Literal["pixel_shuffle", "deconv"]


class UNet16Config(VggConfig):
    """Widths of VGG16's stages, and how the decoder enlarges.

    `deconv` is the 4x4 transposed convolution that paper 004 replaces by `pixel_shuffle`.
    """

    upsampling: Upsampling = "pixel_shuffle"


class UNet16(CrackNetwork):
    """U-Net on VGG16 without its last pooling: the deepest maps have 1/16 of the resolution.

    Reference:
        paper 004, section 3.1 ("SS Network"); the text leaves the layer sizes to the paper's code.
    """

    config = UNet16Config
    stride = 16

    def __init__(
        self,
        widths: Sequence[int] = WIDTHS,
        upsampling: Upsampling = "pixel_shuffle",
        weights: Path | None = None,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.halo = _halo(upsampling)
        self.encoder = Vgg16(widths, in_channels)
        # What the decoder passes up, from the deepest stage on, and the skip that it is joined with there.
        passed, skips = (widths[2], widths[2], widths[1], widths[0]), widths[3::-1]
        joined = [up + skip for up, skip in zip(passed, skips, strict=True)]
        self.ups = nn.ModuleList(_up(a, b, upsampling) for a, b in zip((widths[4], *joined[:-1]), passed, strict=True))
        last = max(1, widths[0] // 2)
        self.fuse = convolution(joined[-1], last, batch_norm=False)
        self.head = nn.Conv2d(last, 1, 1)
        he_normal(self, heads=[self.head])
        if weights is not None:
            self.encoder.load(weights)

    def logits(self, x: Tensor) -> tuple[Tensor, ...]:
        *skips, x = self.encoder(x)
        for up, skip in zip(self.ups, reversed(skips), strict=True):
            x = torch.cat([up(x), skip], dim=1)
        return (self.head(self.fuse(x)),)


def _halo(upsampling: Upsampling) -> int:
    """Half of the receptive field, rounded up to whole strides."""
    pools = sum(2**level for level in range(4))
    decoder = sum(2**level for level in range(5))
    spread = pools if upsampling == "deconv" else 0  # a 4x4 kernel of stride 2 reaches one further
    return -(-(REACH + pools + decoder + spread) // UNet16.stride) * UNet16.stride


def _up(in_channels: int, out_channels: int, upsampling: Upsampling) -> nn.Sequential:
    """Twice the resolution. Both kinds start with the same convolution, to four times the channels."""
    if upsampling == "deconv":
        enlarge: tuple[nn.Module, ...] = (
            nn.ConvTranspose2d(4 * out_channels, out_channels, 4, stride=2, padding=1),
            nn.ReLU(inplace=True),
        )
    else:
        enlarge = (nn.PixelShuffle(2),)  # the paper's ReLU behind it changes nothing: one stands before it
    return nn.Sequential(convolution(in_channels, 4 * out_channels, batch_norm=False), *enlarge)
