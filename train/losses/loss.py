"""What every loss offers to the trainer."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from fissura.config import Config

DistanceKind = Literal["pixels", "normalized"]


class Loss(nn.Module):
    """Base of the losses.

    A loss defines `value`, which sees logits of full precision and a binary mask.

    Attributes:
        config: configuration class, whose fields are the constructor's arguments.
        distance_kind: of the map that the loss uses; None where it uses none. The data workers make the map after
            the geometric augmentation, so that the trainer need not.

    Shape:
        logits, target (N, 1, H, W), a target above 0.5 is crack; distance (N, 1, H, W) or None, which computes it
        inside where the loss needs one. The value is a scalar.

    Raises:
        ValueError: `target` or `distance` has another shape than `logits`.
    """

    config: ClassVar[type[Config]]
    distance_kind: DistanceKind | None = None

    def set_epoch(self, epoch: float) -> None:
        """Tell the epochs trained so far (0 before the first step); a loss with a schedule follows it."""
        for part in self.children():
            if isinstance(part, Loss):
                part.set_epoch(epoch)

    def forward(self, logits: Tensor, target: Tensor, distance: Tensor | None = None) -> Tensor:
        for name, given in (("target", target), ("distance", distance)):
            if given is not None and given.shape != logits.shape:  # else it would broadcast
                raise ValueError(f"{name} has shape {tuple(given.shape)}, expected the logits' {tuple(logits.shape)}")
        # Sums over all pixels of a batch lose their meaning in half precision, under autocast as well.
        with torch.autocast(logits.device.type, enabled=False):
            if logits.dtype not in (torch.float32, torch.float64):
                logits = logits.float()
            # Written as numbers at once: a mask of booleans costs a pass to convert, and slower operations.
            crack = torch.gt(target, 0.5, out=torch.empty_like(logits, requires_grad=False))
            return self.value(logits, crack, distance)

    def value(self, logits: Tensor, crack: Tensor, distance: Tensor | None) -> Tensor:
        """The loss of logits in fp32 or fp64 and a mask of the same type, 1 on crack and 0 elsewhere."""
        raise NotImplementedError
