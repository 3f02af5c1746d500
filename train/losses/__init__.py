"""Losses by name, called as ``loss(logits, target, distance=None)``. Adding one: a file here and a line below."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from fissura.config import Config, parse_config
from fissura.errors import ConfigError
from train.losses.bce import Bce, BceConfig
from train.losses.holistic import Holistic, HolisticConfig
from train.losses.jaccard import Jaccard, JaccardConfig
from train.losses.wce import WceExp, WceExpConfig


@dataclass(frozen=True)
class LossEntry:
    """A loss, the configuration class beside it, and how one is made of the other."""

    config: type[Config]
    build: Callable[[Any], nn.Module]


def _holistic(config: HolisticConfig) -> Holistic:
    return Holistic(build_loss(config.wce), Jaccard(config.smooth), config.a, config.b)


LOSSES: dict[str, LossEntry] = {
    "bce": LossEntry(BceConfig, lambda config: Bce()),
    "wce_exp": LossEntry(WceExpConfig, lambda config: WceExp(**config.model_dump())),
    "jaccard": LossEntry(JaccardConfig, lambda config: Jaccard(**config.model_dump())),
    "holistic": LossEntry(HolisticConfig, _holistic),
}


def build_loss(options: dict[str, Any]) -> nn.Module:
    """Build a loss from ``{"name": ..., option: value, ...}``.

    Raises:
        ConfigError: unknown name or option, or a value out of range.
    """
    values = dict(options)
    name = values.pop("name", None)
    if not isinstance(name, str) or name not in LOSSES:
        raise ConfigError(f"unknown loss {name!r}", expected=f"one of: {', '.join(LOSSES)}")
    entry = LOSSES[name]
    return entry.build(parse_config(entry.config, values, origin=name))
