"""Holistic loss: weighted cross-entropy plus Jaccard distance (paper 000)."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from torch import Tensor

from fissura.config import Config, parse_config
from fissura.errors import ConfigError
from train.losses.jaccard import Jaccard
from train.losses.loss import Loss
from train.losses.wce import WceExp

WEIGHTED: dict[str, type[Loss]] = {"wce_exp": WceExp}


class HolisticConfig(Config):
    """`a` weighs the cross-entropy named by `wce`, `b` the Jaccard distance."""

    a: float = 20.0
    b: float = 1.0
    wce: dict[str, Any] = Field(default_factory=lambda: {"name": "wce_exp"})
    smooth: float = 1.0


class Holistic(Loss):
    """``a * WCE + b * Jaccard distance``: pixel by pixel and as a whole.

    Shape:
        logits, target (N, 1, H, W); scalar.

    Reference:
        paper 000, equation (8); "20_wj" of its tables is a = 20, b = 1.
    """

    config = HolisticConfig

    def __init__(self, wce: dict[str, Any], a: float = 20.0, b: float = 1.0, smooth: float = 1.0) -> None:
        super().__init__()
        values = dict(wce)
        name = values.pop("name", None)
        if name not in WEIGHTED:
            raise ConfigError(f"unknown weighted cross-entropy {name!r}", expected=f"one of: {', '.join(WEIGHTED)}")
        kind = WEIGHTED[name]
        self.wce = kind(**parse_config(kind.config, values, origin=name).model_dump())
        self.jaccard, self.a, self.b = Jaccard(smooth), a, b

    def forward(self, logits: Tensor, target: Tensor, distance: Tensor | None = None) -> Tensor:
        total: Tensor = self.a * self.wce(logits, target) + self.b * self.jaccard(logits, target)
        return total
