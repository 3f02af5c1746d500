"""The optimiser of a recipe and its learning rate over time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, model_validator
from torch import nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, OneCycleLR

from fissura.config import Config

Moment = Annotated[float, Field(ge=0, lt=1)]
BETAS = (0.9, 0.999)


class OptimiserConfig(Config):
    """The optimiser and its learning rate over time; schedules count optimiser steps of the whole run.

    `adam` and `sgd` add ``weight_decay * w`` to the gradient (the papers' ``weight_decay / 2 * sum w^2`` in the
    loss), `adamw` takes it from the weight itself. Only weights decay: biases, norms and slopes do not.

    `constant` keeps `learning_rate`; `cosine` falls to zero by half a cosine; `poly` by ``(1 - t) ** poly_power``;
    `one_cycle` rises over the first `warm_up` share of the steps and falls to zero, both by cosine. It also moves
    the momentum (Adam's first beta) against the rate, from 0.95 to 0.85 and back, in place of the given one, as its
    author does (Smith 2018); `cycle_momentum: false` keeps the given one.
    """

    name: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: float = Field(3e-4, gt=0)
    betas: tuple[Moment, Moment] = Field(BETAS, description="of adam and adamw")
    eps: float = Field(1e-8, gt=0, description="of adam and adamw")
    momentum: Moment = Field(0.9, description="of sgd")
    nesterov: bool = Field(False, description="of sgd")
    schedule: Literal["constant", "one_cycle", "poly", "cosine"] = "constant"
    warm_up: float = Field(0.1, gt=0, lt=1, description="of one_cycle")
    cycle_momentum: bool = Field(True, description="of one_cycle")
    poly_power: float = Field(0.9, gt=0, description="of poly")
    weight_decay: float = Field(0.0, ge=0)
    clip_norm: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _one_momentum(self) -> OptimiserConfig:
        given = self.momentum != BETAS[0] if self.name == "sgd" else self.betas[0] != BETAS[0]
        if given and self.schedule == "one_cycle" and self.cycle_momentum:
            raise ValueError("`one_cycle` moves the momentum that is given: set `cycle_momentum: false` to keep it")
        return self


def build_optimiser(options: OptimiserConfig, parameters: Iterable[nn.Parameter], total_steps: int) -> Any:
    """What Lightning's `configure_optimizers` returns.

    Args:
        options: the recipe's section.
        parameters: to be trained.
        total_steps: optimiser steps of the whole run.
    """
    optimiser = _optimiser(options, _groups(parameters, options.weight_decay))
    schedule = _schedule(options, optimiser, total_steps)
    if schedule is None:
        return optimiser
    return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _groups(parameters: Iterable[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Weights have two dimensions or more; biases, norms and slopes have one."""
    every = list(parameters)
    if not weight_decay:
        return [{"params": every}]
    weights, others = ([p for p in every if (p.ndim > 1) is wanted] for wanted in (True, False))
    groups = [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
    return [group for group in groups if group["params"]]


def _optimiser(options: OptimiserConfig, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    # One pass over all parameters instead of several; Lightning clips no gradients of such an optimiser.
    fused = options.clip_norm is None
    if options.name == "sgd":
        return torch.optim.SGD(
            groups, options.learning_rate, momentum=options.momentum, nesterov=options.nesterov, fused=fused
        )
    kind = torch.optim.Adam if options.name == "adam" else torch.optim.AdamW
    return kind(groups, options.learning_rate, betas=options.betas, eps=options.eps, weight_decay=0.0, fused=fused)


def _schedule(options: OptimiserConfig, optimiser: torch.optim.Optimizer, total_steps: int) -> LRScheduler | None:
    if options.schedule == "constant":
        return None
    if options.schedule == "one_cycle":
        return OneCycleLR(
            optimiser,
            options.learning_rate,
            total_steps=total_steps,
            pct_start=options.warm_up,
            cycle_momentum=options.cycle_momentum,
        )
    return LambdaLR(optimiser, _share_of_rate(options, total_steps))


def _share_of_rate(options: OptimiserConfig, total_steps: int) -> Callable[[int], float]:
    """The learning rate's share at a step, from 1 towards 0."""

    def share(step: int) -> float:
        left = max(0.0, 1 - step / total_steps)
        return left**options.poly_power if options.schedule == "poly" else (1 - math.cos(math.pi * left)) / 2

    return share
