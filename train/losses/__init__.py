"""Losses by name, called as ``loss(logits, target, distance=None)``. Adding one: a file here and a line below."""

from __future__ import annotations

from typing import Any

from fissura.config import parse_config
from fissura.errors import ConfigError
from train.losses.bce import Bce
from train.losses.boundary import Boundary
from train.losses.combo import BoundaryCombo, Combo, GeneralizedBoundaryCombo
from train.losses.dice import BceDice, Dice
from train.losses.f1 import F1Log, PseudoF1
from train.losses.focal import AsymmetricFocal, Focal, FocalMargin, LargeMargin
from train.losses.generalized_dice import GeneralizedDice
from train.losses.holistic import WEIGHTED, Holistic
from train.losses.hybrid_focal import HybridFocal, HybridFocalMargin
from train.losses.inverse_frequency import InverseFrequency
from train.losses.jaccard import Jaccard
from train.losses.loss import Loss
from train.losses.skeleton_recall import SkeletonRecall
from train.losses.soft_cldice import SoftClDice
from train.losses.tversky import FocalTversky, Tversky
from train.losses.unified_focal import UnifiedFocal

LOSSES: dict[str, type[Loss]] = {
    "bce": Bce,
    **WEIGHTED,
    "inverse_frequency": InverseFrequency,
    "jaccard": Jaccard,
    "holistic": Holistic,
    "focal": Focal,
    "asymmetric_focal": AsymmetricFocal,
    "large_margin": LargeMargin,
    "focal_margin": FocalMargin,
    "dice": Dice,
    "bce_dice": BceDice,
    "tversky": Tversky,
    "focal_tversky": FocalTversky,
    "hybrid_focal": HybridFocal,
    "hybrid_focal_margin": HybridFocalMargin,
    "unified_focal": UnifiedFocal,
    "f1_log": F1Log,
    "pseudo_f1": PseudoF1,
    "boundary": Boundary,
    "generalized_dice": GeneralizedDice,
    "combo": Combo,
    "boundary_combo": BoundaryCombo,
    "generalized_boundary_combo": GeneralizedBoundaryCombo,
    "soft_cldice": SoftClDice,
    "skeleton_recall": SkeletonRecall,
}


def build_loss(options: dict[str, Any]) -> Loss:
    """Build a loss from ``{"name": ..., option: value, ...}``.

    Raises:
        ConfigError: unknown name or option, or a value out of range.
    """
    values = dict(options)
    name = values.pop("name", None)
    if not isinstance(name, str) or name not in LOSSES:
        raise ConfigError(f"unknown loss {name!r}", expected=f"one of: {', '.join(LOSSES)}")
    loss = LOSSES[name]
    return loss(**parse_config(loss.config, values, origin=name).model_dump())
