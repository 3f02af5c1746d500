"""Losses by name, called as ``loss(logits, target, distance=None)``. Adding one: a file here and a line below."""

from __future__ import annotations

from typing import Any

from fissura.config import parse_config
from fissura.errors import ConfigError
from train.losses.bce import Bce
from train.losses.holistic import Holistic
from train.losses.jaccard import Jaccard
from train.losses.loss import Loss
from train.losses.wce import WceExp

LOSSES: dict[str, type[Loss]] = {
    "bce": Bce,
    "wce_exp": WceExp,
    "jaccard": Jaccard,
    "holistic": Holistic,
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
