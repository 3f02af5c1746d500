"""Holistic loss: weighted cross-entropy plus Jaccard distance (paper 000)."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from torch import Tensor

from fissura.config import Config, parse_config
from fissura.errors import ConfigError
from train.losses.jaccard import Jaccard
from train.losses.loss import Loss
from train.losses.wce import WceExp, WceFixed, WceLog, WcePower, WceXie
from train.losses.wce_positive import WcePositive

# A weighted cross-entropy gets its line here: it is a loss of its own, and a part of the holistic one.
WEIGHTED: dict[str, type[Loss]] = {
    "wce_xie": WceXie,
    "wce_fixed": WceFixed,
    "wce_power": WcePower,
    "wce_log": WceLog,
    "wce_exp": WceExp,
    "wce_positive": WcePositive,
}


class HolisticConfig(Config):
    """`a` weighs the cross-entropy named by `wce`, `b` the Jaccard distance, `smooth` is the latter's."""

    a: float = Field(20.0, ge=0)
    b: float = Field(1.0, ge=0)
    wce: dict[str, Any] = Field(default_factory=lambda: {"name": "wce_exp"})
    smooth: float = Field(1.0, ge=0)


class Holistic(Loss):
    """``a * WCE + b * Jaccard distance``: pixel by pixel and as a whole.

    Args:
        wce: ``{"name": "wce_...", option: value, ...}``, any weighted cross-entropy.
        a, b, smooth: see `HolisticConfig`.

    Shape:
        logits, target (N, 1, H, W); scalar.

    Reference:
        paper 000, equation (8); "20_wj" of its tables is a = 20, b = 1.

    Raises:
        ConfigError: unknown weighted cross-entropy, or a wrong option of it.
    """

    config = HolisticConfig

    def __init__(self, wce: dict[str, Any], a: float = 20.0, b: float = 1.0, smooth: float = 1.0) -> None:
        super().__init__()
        values = dict(wce)
        name = values.pop("name", None)
        if not isinstance(name, str) or name not in WEIGHTED:
            raise ConfigError(f"unknown weighted cross-entropy {name!r}", expected=f"one of: {', '.join(WEIGHTED)}")
        kind = WEIGHTED[name]
        self.wce = kind(**parse_config(kind.config, values, origin=name).model_dump())
        self.jaccard, self.a, self.b = Jaccard(smooth), a, b

    def value(self, logits: Tensor, crack: Tensor, distance: Tensor | None) -> Tensor:
        pixels = self.wce.value(logits, crack, distance)
        return self.a * pixels + self.b * self.jaccard.value(logits, crack, distance)
