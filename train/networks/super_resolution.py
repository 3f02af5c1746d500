"""What every super-resolution network offers to the trainer and the exporter."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn

from train.networks.network import NetworkConfig


class SuperResolutionNetwork(nn.Module):
    """Base of the networks that enlarge. A subclass takes `in_channels` as a keyword: 3 for images, 1 for masks.

    Attributes:
        config: configuration class, whose fields are the constructor's other arguments.
        scale: output pixels per input pixel along each axis.
        stride: the sides of the input must be multiples of it, in pixels.

    Shape:
        input (N, C, H, W) in [0, 1]; output (N, C, scale*H, scale*W), not clipped.
    """

    config: ClassVar[type[NetworkConfig]]
    stride: ClassVar[int] = 1
    scale: int

    @property
    def halo(self) -> int:
        """Pixels of context, in input pixels, that an output pixel depends on at most, to each side."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        raise NotImplementedError
