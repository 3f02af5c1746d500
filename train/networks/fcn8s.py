"""FCN-8s: VGG16 made fully convolutional, with skips from a sixteenth and an eighth of the resolution.

134,270,406 parameters at the paper's widths on RGB: two classes, the intermediate 2x enlargements learned, the last
8x one fixed bilinear.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Tensor, nn

from train.networks.bilinear import enlarge, enlarging_reach
from train.networks.initialise import he_normal
from train.networks.network import CrackNetwork
from train.networks.pretrained import load_pretrained
from train.networks.vgg import REACH, WIDTHS, Vgg16, VggConfig

STRIDE = 32
CLASSES = 2
# The 7x7 convolution works on cells of 32 pixels; the 4x4 transposed ones reach one cell of what they enlarge.
HALO = enlarging_reach(8) + 16 + 32 + 3 * 32 + REACH


class Fcn8sConfig(VggConfig):
    """Widths of the stages and of the two former fully connected layers, whose outputs `dropout` is applied to."""

    classifier_width: PositiveInt = 4096
    dropout: float = Field(0.5, ge=0, lt=1)
    sizes: ClassVar[tuple[str, ...]] = ("widths", "classifier_width")


class Fcn8s(CrackNetwork):
    """Scores of background and crack; the logits are their difference, whose sigmoid is the softmax's crack share.

    Zero padding in each convolution takes the place of the 100 pixels that the authors put around the image.

    Reference:
        Long, Shelhamer, Darrell 2015, section 4 (skips summed, section 4.2).
    """

    config = Fcn8sConfig
    stride = STRIDE
    halo = -(-HALO // STRIDE) * STRIDE

    def __init__(
        self,
        widths: Sequence[int] = WIDTHS,
        classifier_width: int = 4096,
        dropout: float = 0.5,
        weights: Path | None = None,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.encoder = Vgg16(widths, in_channels)
        self.classifier = nn.Sequential(
            nn.Conv2d(widths[-1], classifier_width, 7, padding=3),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Conv2d(classifier_width, classifier_width, 1),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
        )
        self.score_eighth = nn.Conv2d(widths[2], CLASSES, 1)
        self.score_sixteenth = nn.Conv2d(widths[3], CLASSES, 1)
        self.score = nn.Conv2d(classifier_width, CLASSES, 1)
        self.upscores = nn.ModuleList(
            nn.ConvTranspose2d(CLASSES, CLASSES, 4, stride=2, padding=1, bias=False) for _ in range(2)
        )
        he_normal(self, heads=(self.score_eighth, self.score_sixteenth, self.score))
        for layer in self.upscores:
            assert isinstance(layer, nn.ConvTranspose2d)
            _start_bilinear(layer)
        if weights is not None:
            self._load(weights)

    def logits(self, x: Tensor) -> tuple[Tensor, ...]:
        pooled: list[Tensor] = []
        for stage in self.encoder.stages:
            x = F.max_pool2d(stage(x), 2)
            pooled.append(x)
        scores = self.score(self.classifier(x))
        scores = self.upscores[0](scores) + self.score_sixteenth(pooled[3])
        scores = self.upscores[1](scores) + self.score_eighth(pooled[2])
        background, crack = scores.split(1, dim=1)
        return (enlarge(crack - background, 8),)

    def _load(self, path: Path) -> None:
        """Load `vgg16` with its first two fully connected layers (section 4.1)."""
        names = {f"encoder.{own}": theirs for own, theirs in self.encoder.torchvision_names().items()}
        names |= {f"classifier.{name}": f"classifier.{name}" for name in self.classifier.state_dict()}
        load_pretrained(self, path, names, ignored=("classifier.6.",))


def _start_bilinear(layer: nn.ConvTranspose2d) -> None:
    """Start a 2x enlargement as the bilinear one, each class by itself."""
    line = torch.tensor([0.25, 0.75, 0.75, 0.25])
    nn.init.zeros_(layer.weight)
    with torch.no_grad():
        for channel in range(CLASSES):
            layer.weight[channel, channel] = torch.outer(line, line)
