"""What every loss offers to the trainer."""

from __future__ import annotations

from typing import ClassVar, Literal

from torch import Tensor, nn

from fissura.config import Config

DistanceKind = Literal["pixels", "normalized"]


class Loss(nn.Module):
    """Base of the losses.

    Attributes:
        config: configuration class, whose fields are the constructor's arguments.
        distance_kind: of the map that `forward` uses; None where it uses none. The data workers make the map after
            the geometric augmentation, so that the trainer need not.

    Shape:
        logits, target (N, 1, H, W), a target above 0.5 is crack; distance (N, 1, H, W) or None, which computes it
        inside where the loss needs one. The value is a scalar.
    """

    config: ClassVar[type[Config]]
    distance_kind: DistanceKind | None = None

    def set_epoch(self, epoch: float) -> None:
        """Tell the epochs trained so far (0 before the first step); a loss with a schedule follows it."""

    def forward(self, logits: Tensor, target: Tensor, distance: Tensor | None = None) -> Tensor:
        raise NotImplementedError
