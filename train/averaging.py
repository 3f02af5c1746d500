"""Exponential moving average (EMA) of the weights, on Lightning's callback."""

from __future__ import annotations

from collections.abc import Callable

import torch
from lightning.pytorch.callbacks import WeightAveraging
from pydantic import Field
from torch import Tensor

from fissura.config import Config


class AveragingConfig(Config):
    """``average = d * average + (1 - d) * weights`` after each step; the average is scored and kept.

    `d` is `decay` or, during the warm-up, ``(1 + t) / (10 + t)`` after `t` steps where that is less: a short run
    would otherwise still hold a good part of the initial weights.
    """

    decay: float = Field(0.99, ge=0, lt=1)
    warm_up: bool = True

    def at(self, step: int) -> float:
        """The decay after `step` averaged steps."""
        return min(self.decay, (1 + step) / (10 + step)) if self.warm_up else self.decay


class MovingAverage(WeightAveraging):
    """Averages parameters and floating-point buffers; validation and the checkpoint see the average.

    The resume file holds both: it goes on with the weights, not with their average.
    """

    def __init__(self, config: AveragingConfig) -> None:
        super().__init__(use_buffers=True, multi_avg_fn=moving_average(config))


def moving_average(config: AveragingConfig) -> Callable[[list[Tensor], list[Tensor], Tensor | int], None]:
    """The function that `torch.optim.swa_utils.AveragedModel` calls with averages, weights and number of steps."""

    @torch.no_grad()
    def average(averages: list[Tensor], weights: list[Tensor], steps: Tensor | int) -> None:
        if averages[0].is_floating_point():
            torch._foreach_lerp_(averages, weights, 1 - config.at(int(steps)))
        else:  # counters of batch normalisation
            torch._foreach_copy_(averages, weights)

    return average
