"""Enlargement without anything learnt: what super-resolution is measured against (paper 004, table 1 b and c)."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from train.networks.network import NetworkConfig
from train.networks.super_resolution import SuperResolutionNetwork


class InterpolationConfig(NetworkConfig):
    """How far, and by which kernel: PyTorch's bicubic is Keys' with a = -0.75, OpenCV's too."""

    sizes: ClassVar[tuple[str, ...]] = ()

    scale: int = Field(4, ge=2, le=8)
    kernel: Literal["bicubic", "bilinear"] = "bicubic"


class Interpolation(SuperResolutionNetwork):
    """Enlarges by a fixed kernel; what lies beyond the border continues its last pixel."""

    config: ClassVar[type[NetworkConfig]] = InterpolationConfig

    def __init__(self, scale: int = 4, kernel: str = "bicubic", in_channels: int = 3) -> None:
        super().__init__()
        self.scale = scale
        self.kernel = kernel

    @property
    def halo(self) -> int:
        return 2 if self.kernel == "bicubic" else 1

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=float(self.scale), mode=self.kernel, align_corners=False)
