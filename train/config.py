"""What a recipe may say. One YAML file a recipe, in `train/recipes/`; every key is checked."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from fissura.config import Config, checked_section, load_config, parse_config
from fissura.errors import ConfigError
from train.averaging import AveragingConfig
from train.data.augment import AugmentConfig
from train.data.config import DataConfig
from train.initialise import Initialisation
from train.losses import build_loss
from train.model import ModelConfig
from train.optimiser import OptimiserConfig
from train.search_space import TuneConfig
from train.start import StartConfig

RECIPES = Path(__file__).parent / "recipes"


Part = Literal["segmentation", "super_resolution"]


class JointConfig(Config):
    """Joint super-resolution and segmentation: ``(1 - beta) L1 + beta SS`` (paper 004, equation 6).

    `L1` compares the enlarged image with the high-resolution one, or the enlarged mask with the high-resolution mask
    where the segmentation comes first. 0 trains the super-resolution alone, 1 the segmentation by its own loss.

    `high_resolution` is the share of the segmentation loss that is taken on the original high-resolution image
    instead of the super-resolved one, so that the segmentation graph also serves frames that need no enlargement
    (0 is the paper's loss).
    """

    beta: float = Field(0.3, ge=0, le=1)
    high_resolution: float = Field(0.0, ge=0, le=1)


class EvaluationConfig(Config):
    """How and when the weights are scored; always after the last epoch."""

    tolerance_px: float = Field(2.0, ge=0)
    every_epochs: PositiveInt = Field(1, description="must divide `epochs`, so that the last epoch is scored")
    per_epoch: PositiveInt = Field(1, description="scores at even distances, 4: each quarter; divides its steps")


class Recipe(Config):
    """Everything that decides a training run."""

    name: str
    seed: int = Field(1, ge=0, lt=2**32)
    epochs: PositiveInt
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    data: DataConfig
    model: ModelConfig = ModelConfig()
    start: StartConfig = StartConfig()
    frozen: tuple[Part, ...] = Field((), description="networks that stay as they start")
    initialisation: Initialisation | None = Field(None, description="of all kernels; null: each network's own")
    loss: dict[str, Any]
    joint: JointConfig | None = None
    augmentation: AugmentConfig = AugmentConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    averaging: AveragingConfig | None = None
    sync_batchnorm: bool = Field(True, description="statistics of the whole batch where several GPUs share it")
    evaluation: EvaluationConfig = EvaluationConfig()
    tune: TuneConfig = TuneConfig()

    @field_validator("loss")
    @classmethod
    def _loss_exists(cls, options: dict[str, Any]) -> dict[str, Any]:
        return checked_section(options, lambda: build_loss(options))

    @model_validator(mode="after")
    def _last_epoch_is_scored(self) -> Recipe:
        if self.epochs % self.evaluation.every_epochs:
            raise ValueError(
                f"`evaluation.every_epochs` is {self.evaluation.every_epochs} and must divide `epochs`, {self.epochs}: "
                "the last epoch's weights are the ones that are kept, and must be scored"
            )
        if self.evaluation.every_epochs > 1 and self.evaluation.per_epoch > 1:
            raise ValueError("`evaluation.every_epochs` and `evaluation.per_epoch` exclude each other: give one")
        return self

    @model_validator(mode="after")
    def _turns_need_squares(self) -> Recipe:
        if self.augmentation.quarter_turns and (self.data.crop is None or self.data.crop[0] != self.data.crop[1]):
            raise ValueError("`augmentation.quarter_turns` needs square crops: set `data.crop` to [N, N]")
        return self

    @model_validator(mode="after")
    def _one_start(self) -> Recipe:
        sections = (self.model.segmentation, self.model.super_resolution or {})
        given = any(section.get("weights") for section in sections) or self.start != StartConfig()
        if self.initialisation is not None and given:
            raise ValueError("`initialisation` would overwrite the network's `weights`, or `start`: give one of them")
        return self

    @model_validator(mode="after")
    def _something_learns(self) -> Recipe:
        if "super_resolution" in self.frozen and self.model.super_resolution is None:
            raise ValueError("`frozen` names super_resolution, which the model does not have")
        if set(self.frozen) == {"segmentation", *(["super_resolution"] if self.model.super_resolution else [])}:
            raise ValueError("`frozen` names every network of the model: nothing would be trained")
        return self

    @model_validator(mode="after")
    def _joint_needs_super_resolution(self) -> Recipe:
        if (self.joint is None) != (self.model.super_resolution is None):
            raise ValueError("`joint` and `model.super_resolution` go together: give both or neither")
        return self


def with_values(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """A recipe with some values replaced.

    Args:
        recipe: stays as it is.
        values: by dotted key, ``{"loss.wce.beta": 0.5}``.

    Raises:
        ConfigError: there is no such key, or its value is out of range.
    """
    sections = recipe.model_dump()
    for key, value in values.items():
        *path, last = key.split(".")
        section = sections
        for name in path:
            inner = section.setdefault(name, {})
            if not isinstance(inner, dict):
                raise ConfigError(f"{key!r} cannot be set: {name!r} is a value, not a section")
            section = inner
        section[last] = value
    return parse_config(Recipe, sections, origin=f"recipe {recipe.name}")


def load_recipe(name: str, overrides: dict[str, Any]) -> Recipe:
    """Load a recipe by its path or by its name in `train/recipes/`.

    Raises:
        ConfigError: no such recipe, or it is wrong.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = RECIPES / f"{name}.yaml"
    if not path.is_file():
        known = sorted(str(p.relative_to(RECIPES).with_suffix("")) for p in RECIPES.rglob("*.yaml"))
        near = difflib.get_close_matches(name, known, n=1)
        raise ConfigError(
            f"there is no recipe {name!r}",
            expected=f"a YAML file, or one of: {', '.join(known)}",
            fix=f"did you mean {near[0]!r}?" if near else "",
        )
    return load_config(Recipe, path, overrides)
