"""How a decoder doubles the resolution: by transposed convolution, or by resize and convolution.

Engines have no integer kernel for transposed convolutions (ONNX Runtime) or compute them wrongly at times (TensorRT),
so that a network for INT8 is better trained with `resize`: nearest neighbours, then a 3x3 convolution, which also
leaves no checkerboard.
"""

from __future__ import annotations

from typing import Literal

from torch import nn

Upsampling = Literal["deconv", "resize"]


def upsample(in_channels: int, out_channels: int, by: Upsampling) -> nn.Module:
    """A layer from (N, in_channels, H, W) to (N, out_channels, 2H, 2W).

    Reference:
        Ronneberger et al. 2015 (`deconv`: 2x2, stride 2); Odena et al. 2016, "Deconvolution and Checkerboard
        Artifacts" (`resize`).
    """
    if by == "deconv":
        return nn.ConvTranspose2d(in_channels, out_channels, 2, stride=2)
    return nn.Sequential(
        nn.Upsample(scale_factor=2, mode="nearest"), nn.Conv2d(in_channels, out_channels, 3, padding=1)
    )


def upsampling_reach(by: Upsampling) -> int:
    """Enlarged pixels that an output pixel depends on beyond its own 2x2 block, to each side."""
    return 0 if by == "deconv" else 1
