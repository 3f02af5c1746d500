"""The optimiser of a recipe and its learning rate over time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import torch
from pydantic import Field
from torch import nn

from fissura.config import Config


class OptimiserConfig(Config):
    """Adam and its learning rate over time.

    `one_cycle` rises to `learning_rate` over the first `warm_up` share of the steps and falls to zero by cosine.
    """

    learning_rate: float = Field(3e-4, gt=0)
    schedule: Literal["constant", "one_cycle"] = "constant"
    warm_up: float = Field(0.1, gt=0, lt=1)
    weight_decay: float = Field(0.0, ge=0)
    clip_norm: float | None = Field(None, gt=0)


def build_optimiser(options: OptimiserConfig, parameters: Iterable[nn.Parameter], total_steps: int) -> Any:
    """What Lightning's `configure_optimizers` returns.

    Args:
        options: the recipe's section.
        parameters: to be trained.
        total_steps: optimiser steps of the whole run.
    """
    optimiser = torch.optim.Adam(parameters, lr=options.learning_rate, weight_decay=options.weight_decay)
    if options.schedule == "constant":
        return optimiser
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, options.learning_rate, total_steps=total_steps, pct_start=options.warm_up
    )
    return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
