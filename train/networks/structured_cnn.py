"""Structured-prediction CNN of paper 001: each 27x27 patch labels the square of pixels in its middle.

96,233 parameters at the paper's settings on RGB (5x5 labels), 95,945 on grey.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from typing_extensions import Self

from fissura.errors import TrainingError
from train.networks.network import CrackNetwork, NetworkConfig
from train.networks.shared_patches import patch_features, plan_patches

PATCH = 27  # pixels
PIXELS_AT_ONCE = 2**14  # patches whose features are held at a time, about 20 kB each at the paper's widths

Mode = Literal["exact", "fast"]
Normalisation = Literal["votes", "min_max"]


class StructuredCnnConfig(NetworkConfig):
    """Size of the network, and how it labels a whole image.

    `structure_px` is the side of the labelled square (the paper's s).

    `mode: exact` gives what the paper's patch by patch evaluation gives. `mode: fast` is ours: a convolutional network
    with the same weights, in which a patch does not end in zeros but sees the image go on. It gives other values for
    1/46 of the multiply-accumulates. A graph for a vehicle should have it: an exact one takes 0.1 MB of memory a pixel.

    `normalisation` brings an image's summed labels to [0, 1]: by the number of `votes` that each pixel got, or by the
    image's `min_max`. Paper 001, section II-C does not say which; with `min_max` some pixel of every image gets 1,
    crack or not.
    """

    structure_px: Literal[1, 3, 5, 7] = 5
    mode: Mode = "exact"
    normalisation: Normalisation = "votes"
    widths: tuple[PositiveInt, PositiveInt] = (16, 32)
    hidden: PositiveInt = 64
    dropout: float = Field(0.5, ge=0, lt=1)

    def narrowed(self, share: float) -> Self:
        first, second, hidden = (max(1, round(width * share)) for width in (*self.widths, self.hidden))
        return self.model_copy(update={"widths": (first, second), "hidden": hidden})


class StructuredCnn(CrackNetwork):
    """Four 3x3 convolutions with two poolings and three fully connected layers, on the patch around every pixel.

    Trains on patches of 27x27 pixels, of which `training_logits` are the middle's. On a whole image, extended by
    symmetric padding, the labels of all patches are summed; `forward` gives the logit of the normalised sum, so that
    its sigmoid is the paper's probability map.

    Shape:
        `training_logits`: (N, in_channels, 27, 27) -> (N, 1, s, s).

    Reference:
        paper 001, sections II-B and II-C, table II. Xavier initialisation, dropout behind the first two of the fully
        connected layers.
    """

    config = StructuredCnnConfig
    stride = 1

    ballot: Tensor

    def __init__(
        self,
        structure_px: int = 5,
        mode: Mode = "exact",
        normalisation: Normalisation = "votes",
        widths: tuple[int, int] = (16, 32),
        hidden: int = 64,
        dropout: float = 0.5,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.structure, self.mode, self.normalisation = structure_px, mode, normalisation
        self.halo = None if normalisation == "min_max" else max(_context(mode)) + structure_px // 2
        self.plan = plan_patches(PATCH, rounds=2)
        self.cells = len(self.plan.cells)
        self.conv1 = nn.Conv2d(in_channels, widths[0], 3, padding=1)
        self.conv2 = nn.Conv2d(widths[0], widths[0], 3, padding=1)
        self.conv3 = nn.Conv2d(widths[0], widths[1], 3, padding=1)
        self.conv4 = nn.Conv2d(widths[1], widths[1], 3, padding=1)
        self.connected1 = nn.Linear(widths[1] * self.cells**2, hidden)
        self.connected2 = nn.Linear(hidden, hidden)
        self.connected3 = nn.Linear(hidden, structure_px**2)
        self.dropout = nn.Dropout(dropout)
        # One kernel a label, which brings the label to its pixel.
        ballot = torch.eye(structure_px**2).view(1, -1, structure_px, structure_px).flip(2, 3)
        self.register_buffer("ballot", ballot, persistent=False)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def training_logits(self, x: Tensor) -> tuple[Tensor, ...]:
        """Logits of the middle of patches; see the class.

        Raises:
            TrainingError: the images are no patches of 27x27 pixels.
        """
        if x.shape[-2:] != (PATCH, PATCH):
            raise TrainingError(
                f"the structured-prediction CNN was given images of {x.shape[-1]}x{x.shape[-2]} pixels to train on",
                expected=f"patches of {PATCH}x{PATCH}",
                fix=f"set `data.crop` to [{PATCH}, {PATCH}]",
            )
        return (self._patch_labels(x).view(-1, 1, self.structure, self.structure),)

    def logits(self, x: Tensor) -> tuple[Tensor, ...]:
        labels = (self._exact_labels(x) if self.mode == "exact" else self._fast_labels(x)).sigmoid()
        half = self.structure // 2
        sums = F.conv2d(labels, self.ballot, padding=half)
        if self.normalisation == "votes":  # fewer than s * s at the image's border
            votes = F.conv2d(torch.ones_like(sums), torch.ones_like(self.ballot[:, :1]), padding=half)
            probability = sums / votes
        else:
            low, high = sums.amin((2, 3), keepdim=True), sums.amax((2, 3), keepdim=True)
            probability = (sums - low) / (high - low).clamp(min=torch.finfo(sums.dtype).tiny)
        return (torch.logit(probability, eps=torch.finfo(probability.dtype).eps),)

    def _patch_labels(self, patches: Tensor) -> Tensor:
        """Label logits (N, s * s, 1, 1) of patches (N, C, 27, 27)."""
        x = F.max_pool2d(self.conv2(self.conv1(patches).relu()).relu(), 2)
        x = F.max_pool2d(self.conv4(self.conv3(x).relu()).relu(), 2)
        return self._connect(x, self.connected1.weight.unflatten(1, (-1, self.cells, self.cells)))

    def _exact_labels(self, x: Tensor) -> Tensor:
        """Label logits (N, s * s, H, W) of the patches around all pixels."""
        images, _, height, width = x.shape
        x = _pad_symmetric(x, *_context("exact"))
        if torch.compiler.is_exporting():
            # A graph has no loop over strips whose number depends on the image, and `patch_features` makes one so
            # large that exporting it takes minutes. So it holds all patches at once: about 0.1 MB a pixel.
            patches = x.unfold(2, PATCH, 1).unfold(3, PATCH, 1).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
            return self._patch_labels(patches).view(images, height, width, -1).permute(0, 3, 1, 2)
        # `patch_features` lists channels cell by cell, `connected1` cells channel by channel.
        weight = self.connected1.weight.unflatten(1, (-1, self.cells**2)).transpose(1, 2).flatten(1)[..., None, None]
        convolutions = (self.conv1, self.conv2, self.conv3, self.conv4)
        rows = max(1, PIXELS_AT_ONCE // (width * images))
        strips = []
        for top in range(0, height, rows):
            strip = x[:, :, top : min(top + rows, height) + PATCH - 1]
            labels = self._connect(patch_features(strip, self.plan, convolutions), weight)
            strips.append(labels[..., : strip.shape[2] - PATCH + 1, :width])
        return torch.cat(strips, dim=2)

    def _fast_labels(self, x: Tensor) -> Tensor:
        """The same of a network without borders inside the image: a map is not pooled to half, but dilated."""
        x, step = _pad_symmetric(x, *_context("fast")), 1
        for first, second in ((self.conv1, self.conv2), (self.conv3, self.conv4)):
            x = F.conv2d(x, first.weight, first.bias, dilation=step).relu()
            x = F.conv2d(x, second.weight, second.bias, dilation=step).relu()
            x = torch.maximum(x[..., :-step, :], x[..., step:, :])
            x = torch.maximum(x[..., :-step], x[..., step:])
            step *= 2
        return self._connect(x, self.connected1.weight.unflatten(1, (-1, self.cells, self.cells)), step)

    def _connect(self, features: Tensor, weight: Tensor, step: int = 1) -> Tensor:
        """The fully connected layers at every place; `weight` is the first one's as a convolution's kernel."""
        x = self.dropout(F.conv2d(features, weight, self.connected1.bias, dilation=step).relu())
        x = self.dropout(F.conv2d(x, self.connected2.weight[..., None, None], self.connected2.bias).relu())
        return F.conv2d(x, self.connected3.weight[..., None, None], self.connected3.bias)


def _context(mode: Mode) -> tuple[int, int]:
    """Pixels before and behind a pixel that the labels of its patch depend on."""
    half = PATCH // 2
    if mode == "exact":
        return half, half
    # The convolutions see 1 + 1 pixels and, at half the resolution, 2 + 2 more beyond the patch. Its last three rows
    # are those that pooling drops.
    return half + 6, half - 3 + 6


def _pad_symmetric(x: Tensor, before: int, behind: int) -> Tensor:
    """Mirror an image at its borders, the border pixel included, as often as it takes."""
    for axis in (2, 3):
        side = x.shape[axis]
        period = torch.full((1,), 2 * side, device=x.device)  # a tensor, since the exporter takes no other divisor
        place = torch.arange(-before, side + behind, device=x.device).remainder(period)
        x = x.index_select(axis, torch.minimum(place, period - 1 - place))
    return x
