"""What every segmentation network offers to the trainer and the exporter."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import Self

from fissura.config import Config


class NetworkConfig(Config):
    """Options of a network; stands beside its class. The defaults are the paper's network on RGB.

    Attributes:
        sizes: the fields that hold numbers of channels.
    """

    sizes: ClassVar[tuple[str, ...]] = ("widths",)

    def narrowed(self, share: float) -> Self:
        """The same network with about `share` of the channels, for a machine without a GPU.

        Args:
            share: in (0, 1]; depth and stride stay.
        """
        return self.model_copy(update={name: _scaled(getattr(self, name), share) for name in self.sizes})


class CrackNetwork(nn.Module):
    """Base of the segmentation networks. A subclass computes `logits`; callers use the module itself.

    Attributes:
        config: configuration class, whose fields are the constructor's arguments.
        stride: `logits` takes sides that are multiples of it, in pixels. Other sizes are padded and cropped back.
        halo: pixels of context, to each side, that an output pixel depends on at most; None for networks with a
            statistic over the whole image.

    Shape:
        input (N, in_channels, H, W), normalised, of any size; output logits (N, 1, H, W).
    """

    config: ClassVar[type[NetworkConfig]]
    stride: int
    halo: int | None

    def logits(self, x: Tensor) -> tuple[Tensor, ...]:
        """Main logits first, then those of the side outputs that deep supervision trains, all at the input's size.

        Args:
            x: (N, in_channels, H, W), sides multiples of `stride`.
        """
        raise NotImplementedError

    def training_logits(self, x: Tensor) -> tuple[Tensor, ...]:
        """Outputs that the training loss is summed over: each (N, 1, h, w), centred on the input where smaller."""
        height, width = x.shape[-2:]
        return tuple(output[..., :height, :width] for output in self.logits(pad_to_multiple(x, self.stride)))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        return self.logits(pad_to_multiple(x, self.stride))[0][..., :height, :width]


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Continue an image to the right and below by its last pixels until both sides are multiples of `multiple`."""
    bottom, right = (-x.shape[-2]) % multiple, (-x.shape[-1]) % multiple
    if bottom == 0 and right == 0:
        return x
    return F.pad(x, (0, right, 0, bottom), mode="replicate")


def _scaled(size: int | tuple[int, ...], share: float) -> int | tuple[int, ...]:
    if isinstance(size, tuple):
        return tuple(max(1, round(width * share)) for width in size)
    return max(1, round(size * share))
