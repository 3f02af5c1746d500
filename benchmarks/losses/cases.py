"""What is timed: every loss of the table, some with other options too, and MONAI's loss of the same name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from monai import losses as monai
from monai.losses.unified_focal_loss import AsymmetricFocalLoss
from torch import Tensor

from train.losses import LOSSES

Timed = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Case:
    """A loss with its options.

    Attributes:
        options: as for `train.losses.build_loss`.
        rival: MONAI's class and how to call it on logits and a mask; None where MONAI has no such loss.
        map_given: the distance map comes ready-made, as from the data workers.
        step_bar: the loss is held to its share of the training step.
    """

    options: dict[str, Any]
    rival: tuple[str, Timed] | None = None
    map_given: bool = False
    step_bar: bool = True
    label: str = field(init=False)

    def __post_init__(self) -> None:
        values = {key: value["name"] if isinstance(value, dict) else value for key, value in self.options.items()}
        options = [f"{key}={value}" for key, value in values.items() if key != "name"]
        words = options + ["map given"] * self.map_given
        name = str(self.options["name"])
        object.__setattr__(self, "label", f"{name} ({', '.join(words)})" if words else name)


def _on_probabilities(loss: Timed) -> Timed:
    """MONAI's unified focal losses take probabilities, though one says that it takes logits."""
    return lambda logits, mask: loss(torch.sigmoid(logits), mask)


def _on_two_channels(loss: Timed) -> Timed:
    """... and their parts a channel for each class."""

    def call(logits: Tensor, mask: Tensor) -> Tensor:
        p = torch.sigmoid(logits)
        return loss(torch.cat([1 - p, p], 1), torch.cat([1 - mask, mask], 1))

    return call


SIGMOID = {"sigmoid": True}
SMOOTH = {"smooth_nr": 1.0, "smooth_dr": 1.0}
GENERALIZED = ("GeneralizedDiceLoss", monai.GeneralizedDiceLoss(**SIGMOID))

COMPARED = (
    Case({"name": "jaccard"}, ("DiceLoss, jaccard", monai.DiceLoss(jaccard=True, batch=True, **SMOOTH, **SIGMOID))),
    Case({"name": "dice"}, ("DiceLoss", monai.DiceLoss(**SMOOTH, **SIGMOID))),
    Case({"name": "dice", "reduction": "batch"}, ("DiceLoss, batch", monai.DiceLoss(batch=True, **SMOOTH, **SIGMOID))),
    Case({"name": "dice", "power": 2}, ("DiceLoss, squared", monai.DiceLoss(squared_pred=True, **SMOOTH, **SIGMOID))),
    Case({"name": "bce_dice"}, ("DiceCELoss", monai.DiceCELoss(**SMOOTH, **SIGMOID))),
    Case({"name": "tversky"}, ("TverskyLoss", monai.TverskyLoss(alpha=0.3, beta=0.7, **SIGMOID))),
    Case({"name": "focal"}, ("FocalLoss", monai.FocalLoss(gamma=2.0))),
    Case({"name": "focal", "alpha": 0.25}, ("FocalLoss, alpha", monai.FocalLoss(gamma=2.0, alpha=0.25))),
    Case({"name": "asymmetric_focal"}, ("AsymmetricFocalLoss", _on_two_channels(AsymmetricFocalLoss()))),
    Case(
        {"name": "unified_focal"},
        ("AsymmetricUnifiedFocalLoss", _on_probabilities(monai.AsymmetricUnifiedFocalLoss(delta=0.6))),
    ),
    Case({"name": "generalized_dice"}, GENERALIZED),
    Case({"name": "generalized_dice", "two_class": False}, GENERALIZED),
    Case({"name": "boundary"}, ("BoundaryLoss", monai.BoundaryLoss(**SIGMOID)), step_bar=False),
    Case(
        {"name": "soft_cldice"},
        ("SoftDiceclDiceLoss", monai.SoftDiceclDiceLoss(iter_=10, **SIGMOID)),
        step_bar=False,
    ),
    Case(
        {"name": "soft_cldice", "share": 1},
        ("SoftclDiceLoss", monai.SoftclDiceLoss(iter_=10, **SIGMOID)),
        step_bar=False,
    ),
)
ALONE = (
    Case({"name": "holistic", "wce": {"name": "wce_power"}}),
    Case({"name": "focal_margin", "symmetric": True}),
    Case({"name": "unified_focal", "symmetric": True}),
    Case({"name": "boundary"}, map_given=True),
    Case({"name": "boundary_combo"}, map_given=True),
    Case({"name": "boundary_combo"}, step_bar=False),
    Case({"name": "generalized_boundary_combo"}, map_given=True),
    Case({"name": "generalized_boundary_combo"}, step_bar=False),
    Case({"name": "skeleton_recall"}, step_bar=False),
)
LISTED = {case.options["name"] for case in COMPARED + ALONE if set(case.options) == {"name"}}
CASES = (*COMPARED, *ALONE, *(Case({"name": name}) for name in LOSSES if name not in LISTED))
