"""U-CliqueNet, as far as it can be known: an unverified stand-in for paper 000's second network.

Paper 000 names U-CliqueNet (Li et al. 2020: a U-Net of CliqueNet blocks of 4 layers), its 487.77 K parameters and its
38.52 G operations, not its inside. This network has 487,788 parameters and 36.7 G multiply-accumulates at 480x320.
Depth 3, growth 18 and the halving transitions were chosen to come near those figures: its scores are not the paper's.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from typing_extensions import Self

from train.networks.network import CrackNetwork, NetworkConfig


class CliqueUNetConfig(NetworkConfig):
    """`growth` is the channels of a clique's layer, `layers` how many make a clique, `depth` the number of poolings."""

    growth: PositiveInt = 18
    layers: int = Field(4, ge=2)
    depth: PositiveInt = 3
    stem: PositiveInt = 48

    def narrowed(self, share: float) -> Self:
        growth, stem = (max(1, round(width * share)) for width in (self.growth, self.stem))
        return self.model_copy(update={"growth": growth, "stem": stem})


class CliqueUNet(CrackNetwork):
    """Unverified stand-in for U-CliqueNet: clique blocks at each level of a U-Net, 1x1 transitions between them.

    Reference:
        paper 000, section IV-D (4 layers a block) and its table of costs; Li et al. 2020 (U-CliqueNet); Yang et al.
        2018 (CliqueNet), section 3 for the block.
    """

    config = CliqueUNetConfig

    def __init__(self, growth: int = 18, layers: int = 4, depth: int = 3, stem: int = 48, in_channels: int = 3) -> None:
        super().__init__()
        self.stride = 2**depth
        # Information passes 2 * layers convolutions in a block; a pooled pixel and its copies spread it further.
        reach = 1 + 2 * layers * (2 * (self.stride - 1) + self.stride) + self.stride - 1
        self.halo = -(-reach // self.stride) * self.stride
        out = growth * layers
        half = max(1, out // 2)
        joined = max(1, (half + out) // 2)
        self.stem = _convolution(in_channels, stem, 3)
        self.encoders = nn.ModuleList(CliqueBlock(half if level else stem, growth, layers) for level in range(depth))
        self.compress = nn.ModuleList(_convolution(out, half, 1) for _ in range(depth))
        self.bottleneck = CliqueBlock(half, growth, layers)
        self.ups = nn.ModuleList(_convolution(out, half, 1) for _ in range(depth))
        self.joins = nn.ModuleList(_convolution(half + out, joined, 1) for _ in range(depth))
        self.decoders = nn.ModuleList(CliqueBlock(joined, growth, layers) for _ in range(depth))
        self.head = nn.Conv2d(out, 1, 1, bias=False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.xavier_normal_(self.head.weight)

    def logits(self, x: Tensor) -> tuple[Tensor, ...]:
        x = self.stem(x)
        skips: list[Tensor] = []
        for encoder, compress in zip(self.encoders, self.compress, strict=True):
            skips.append(encoder(x))
            x = F.avg_pool2d(compress(skips[-1]), 2)
        x = self.bottleneck(x)
        for up, join, decoder in zip(self.ups, self.joins, self.decoders, strict=True):
            x = up(F.interpolate(x, scale_factor=2.0, mode="nearest"))
            x = decoder(join(torch.cat([skips.pop(), x], dim=1)))
        return (self.head(x),)


class CliqueBlock(nn.Module):
    """Layers each of which feeds all others: made once from the input, then once more from one another.

    The weights between two layers serve both stages. So does a layer's scale, while statistics and shift of its
    normalisation are each stage's own: the stages' values are distributed differently.

    Shape:
        input (N, in_channels, H, W); output (N, growth * layers, H, W), the second stage's maps.
    """

    def __init__(self, in_channels: int, growth: int, layers: int) -> None:
        super().__init__()
        self.growth = growth
        self.first = nn.Conv2d(in_channels, growth * layers, 3, padding=1, bias=False)
        self.between = nn.Parameter(torch.empty(layers, growth, growth * (layers - 1), 3, 3))
        self.scale = nn.Parameter(torch.ones(layers, growth, 1, 1))
        self.shift = nn.Parameter(torch.zeros(2 * layers, growth, 1, 1))
        self.statistics = nn.ModuleList(nn.BatchNorm2d(growth, affine=False) for _ in range(2 * layers))
        for weight in self.between.data:
            nn.init.kaiming_normal_(weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        maps: list[Tensor] = []
        for layer, total in enumerate(self.first(x).split(self.growth, dim=1)):
            if layer:
                weight = self.between[layer, :, : layer * self.growth]
                total = total + F.conv2d(torch.cat(maps, dim=1), weight, padding=1)
            maps.append(self._activate(total, layer, stage=0))
        for layer in range(len(maps)):
            others = torch.cat([*maps[:layer], *maps[layer + 1 :]], dim=1)
            maps[layer] = self._activate(F.conv2d(others, self.between[layer], padding=1), layer, stage=1)
        return torch.cat(maps, dim=1)

    def _activate(self, x: Tensor, layer: int, stage: int) -> Tensor:
        index = 2 * layer + stage
        normalised: Tensor = self.statistics[index](x)
        return (normalised * self.scale[layer] + self.shift[index]).relu()


def _convolution(in_channels: int, out_channels: int, kernel: int) -> nn.Sequential:
    convolution = nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True))
