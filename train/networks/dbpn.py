"""Dense deep back-projection network (DBPN), the super-resolution half of paper 004 (CSSR).

8,802,094 parameters at the paper's settings (scale 4, 6 up-projections, width 64).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from train.networks.network import NetworkConfig
from train.networks.super_resolution import SuperResolutionNetwork

# kernel, stride, padding of the projection units by scale (Haris et al. 2018, section 4.1)
PROJECTION = {2: (6, 2, 2), 4: (8, 4, 2), 8: (12, 8, 2)}


class DbpnConfig(NetworkConfig):
    """Size of a DBPN.

    `residual` adds the bilinearly enlarged input to the output: a light net then starts at that image instead of
    having to learn it. The paper's net has no such path.
    """

    sizes: ClassVar[tuple[str, ...]] = ("width", "features")

    scale: Literal[2, 4, 8] = 4
    stages: int = Field(6, ge=2)
    width: PositiveInt = 64
    features: PositiveInt = 256
    residual: bool = False


class Dbpn(SuperResolutionNetwork):
    """Alternates up- and down-projection, every unit seeing all earlier maps of its own resolution.

    Shape:
        input (N, C, H, W) in [0, 1]; output (N, C, scale*H, scale*W), not clipped.

    Reference:
        Haris, Shakhnarovich, Ukita 2018, figure 5 and equations (7)-(14); paper 004 section III.
    """

    config: ClassVar[type[NetworkConfig]] = DbpnConfig

    def __init__(
        self,
        scale: int = 4,
        stages: int = 6,
        width: int = 64,
        features: int = 256,
        in_channels: int = 3,
        residual: bool = False,
    ) -> None:
        super().__init__()
        if stages < 2 or scale not in PROJECTION:
            raise ValueError(f"DBPN needs two stages or more and a scale of {tuple(PROJECTION)}")
        self.scale = scale
        self.residual = residual
        self.stages = stages
        self.extract = nn.Sequential(
            nn.Conv2d(in_channels, features, 3, padding=1), nn.PReLU(), nn.Conv2d(features, width, 1), nn.PReLU()
        )
        self.ups = nn.ModuleList(Projection(width, scale, up=True) for _ in range(stages))
        self.downs = nn.ModuleList(Projection(width, scale, up=False) for _ in range(stages - 1))
        self.reduce_up = nn.ModuleList(_reduce(width, n) for n in range(2, stages))
        self.reduce_down = nn.ModuleList(_reduce(width, n) for n in range(2, stages))
        self.head = nn.Conv2d(stages * width, in_channels, 3, padding=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        if residual:
            nn.init.zeros_(self.head.weight)  # starts as plain bilinear enlargement

    @property
    def halo(self) -> int:
        """Pixels of context, in input pixels, that an output pixel depends on, to each side."""
        # Follows the last pixel that a change of input pixel 0 reaches, map by map; to the other side it is the same.
        kernel, stride, padding = PROJECTION[self.scale]

        def up(low: int) -> int:
            return stride * low + kernel - 1 - padding

        def down(high: int) -> int:
            return (high + padding) // stride

        high, low = 0, 1  # the first 3x3 convolution reaches one pixel
        for _ in range(self.stages):
            high = up(down(up(low)))
            low = down(up(down(high)))
        return (high + 1) // stride  # the last 3x3 convolution works at high resolution

    def forward(self, x: Tensor) -> Tensor:
        low = self.extract(x)
        highs: list[Tensor] = []
        lows: list[Tensor] = []
        for stage, up in enumerate(self.ups):
            if stage >= 2:
                low = self.reduce_up[stage - 2](torch.cat(lows[::-1], dim=1))
            highs.append(up(low))
            if stage < self.stages - 1:
                high = highs[-1] if stage == 0 else self.reduce_down[stage - 1](torch.cat(highs[::-1], dim=1))
                low = self.downs[stage](high)
                lows.append(low)
        image: Tensor = self.head(torch.cat(highs[::-1], dim=1))
        if self.residual:
            image = image + F.interpolate(x, scale_factor=self.scale, mode="bilinear", align_corners=False)
        return image


class Projection(nn.Module):
    """Up- (or down-) projection: project, project back, and correct by the projected residual."""

    def __init__(self, width: int, scale: int, *, up: bool) -> None:
        super().__init__()
        forth: Callable[..., nn.Module] = nn.ConvTranspose2d if up else nn.Conv2d
        back: Callable[..., nn.Module] = nn.Conv2d if up else nn.ConvTranspose2d
        self.forth, self.back, self.correct = (
            nn.Sequential(convolution(width, width, *PROJECTION[scale]), nn.PReLU())
            for convolution in (forth, back, forth)
        )

    def forward(self, x: Tensor) -> Tensor:
        first = self.forth(x)
        corrected: Tensor = first + self.correct(self.back(first) - x)
        return corrected


def _reduce(width: int, maps: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(maps * width, width, 1), nn.PReLU())
