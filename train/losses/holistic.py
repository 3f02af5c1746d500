"""Holistic loss: weighted cross-entropy plus Jaccard distance (paper 000)."""

from __future__ import annotations

from typing import Any

from pydantic import Field
from torch import Tensor, nn

from fissura.config import Config


class HolisticConfig(Config):
    """`a` weighs the cross-entropy named by `wce`, `b` the Jaccard distance."""

    a: float = 20.0
    b: float = 1.0
    wce: dict[str, Any] = Field(default_factory=lambda: {"name": "wce_exp"})
    smooth: float = 1.0


class Holistic(nn.Module):
    """``a * WCE + b * Jaccard distance``: pixel by pixel and as a whole.

    Shape:
        logits, target (N, 1, H, W); scalar.

    Reference:
        paper 000, equation (8); "20_wj" of its tables is a = 20, b = 1.
    """

    def __init__(self, wce: nn.Module, jaccard: nn.Module, a: float, b: float) -> None:
        super().__init__()
        self.wce, self.jaccard, self.a, self.b = wce, jaccard, a, b

    def forward(self, logits: Tensor, target: Tensor, distance: Tensor | None = None) -> Tensor:
        total: Tensor = self.a * self.wce(logits, target) + self.b * self.jaccard(logits, target)
        return total
