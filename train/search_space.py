"""What `fissura train --tune` may change of a recipe, and within which range."""

from __future__ import annotations

from typing import Any

from pydantic import Field, PositiveInt, model_validator

from fissura.config import Config, parse_config
from fissura.errors import ConfigError
from train.losses import LOSSES


class RangeConfig(Config):
    """Values from `low` to `high`; evenly over their logarithm with `log`."""

    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _in_order(self) -> RangeConfig:
        if self.low >= self.high or (self.log and self.low <= 0):
            raise ValueError("a range needs low < high, and low > 0 where `log` is set")
        return self


class TuneConfig(Config):
    """How `--tune` searches; a plain training run ignores it.

    `parameters` names values of the recipe by dotted key (``loss.wce.beta``, ``optimiser.learning_rate``). Empty: those
    of the loss that paper 000's conclusion leaves to tuning, and the margin of paper 003 (see `RANGES`).

    `holdout` is the share of the TRAINING images that each trial is scored on, drawn with `holdout_seed`; the rest
    trains. null scores the trials on the recipe's validation list: scores on it, once it chose the values, say
    nothing of new images.
    """

    parameters: dict[str, RangeConfig] = Field(default_factory=dict)
    holdout: float | None = Field(0.2, gt=0, lt=1)
    holdout_seed: int = Field(0, ge=0)
    seed: int = Field(0, ge=0, description="of the choice of values")
    startup_trials: PositiveInt = Field(4, description="trials before any is pruned or learnt from")


# The papers go from 0.5 to 1 for beta (000, section IV-B), from 0.5 to 20 for a at b = 1 (000, tables), from 0.5 to 1.5
# for the margin (003, figure 3): the ranges leave room around these.
RANGES: dict[str, RangeConfig] = {
    "beta": RangeConfig(low=0.1, high=2.0, log=True),
    "a": RangeConfig(low=0.1, high=50.0, log=True),
    "b": RangeConfig(low=0.1, high=10.0, log=True),
    "margin": RangeConfig(low=0.0, high=2.0),
}


def stated(loss: dict[str, Any]) -> dict[str, Any]:
    """A recipe's loss with every option stated, so that one can be replaced by its dotted key."""
    values = dict(loss)
    name = values.pop("name")
    return {"name": name, **parse_config(LOSSES[name].config, values, origin=name).model_dump()}


def search_space(config: TuneConfig, loss: dict[str, Any]) -> dict[str, RangeConfig]:
    """Range of each value that is to be chosen, by dotted key.

    Args:
        config: of the recipe.
        loss: of the recipe.

    Raises:
        ConfigError: no range is given, and the loss has nothing to choose.
    """
    space = dict(config.parameters) or _tunable(loss, "loss")
    if not space:
        raise ConfigError(
            f"loss {loss['name']!r} has none of: {', '.join(RANGES)}",
            expected="values to choose",
            fix="name some in `tune.parameters` of the recipe",
        )
    return space


def _tunable(loss: dict[str, Any], prefix: str) -> dict[str, RangeConfig]:
    found: dict[str, RangeConfig] = {}
    for key, value in stated(loss).items():
        if isinstance(value, dict) and value.get("name") in LOSSES:  # a loss inside the loss
            found.update(_tunable(value, f"{prefix}.{key}"))
        elif key in RANGES:
            found[f"{prefix}.{key}"] = RANGES[key]
    return found
