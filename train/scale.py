"""`--scale cpu`: a narrow, short variant of any recipe, for two cores and a few minutes."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any, Literal

import torch

from train.config import Recipe
from train.data.config import DataConfig
from train.losses import LOSSES
from train.model import ModelConfig, build_model
from train.networks import NETWORKS, SUPER_RESOLUTION_NETWORKS, Network, network_config

Scale = Literal["cpu"]
Crop = tuple[int, int] | None

PARAMETERS = 700_000  # paper 000's U-Net with an eighth of its channels has 486,000
IMAGE_PX = 320 * 480  # where a recipe takes whole images, whose size only the data know
STEP_PX = 2 * IMAGE_PX  # paper 000's batch on CFD
RUN_PX = 5 * 300 * STEP_PX  # paper 000's shortest run: five epochs of 300 steps
EPOCHS = 20
LEAST_BATCH = 2  # batch normalisation of a 1x1 map needs two
LEAST_STEPS = 20
CROP_MULTIPLE = 32


def scaled(recipe: Recipe, scale: Scale) -> Recipe:
    """The variant of a recipe for a machine without a GPU; a pure function of the recipe.

    - Channels are halved until the networks together have 700,000 parameters at most; the ratios between levels, and
      between the two networks of a super-resolution recipe, stay. Paper 000's 64 to 1024 become 8 to 128. Weights
      from a file fit the full width only and are left out where it changes.
    - The batch is halved, down to 2, until a step takes no more pixels than two images of CFD; then the crop shrinks.
    - Epochs, the unit in which the papers compare, stay up to 20, and become 20 beyond. What the loss schedules by
      epoch, and the horizon of averaged weights, are stretched alike.
    - Steps per epoch are cut until the run sees no more pixels than 5 epochs of 300 steps of 2 images of CFD.
      `steps_per_epoch: null`, each image once, stays.
    - A recipe that is not scored after each epoch is scored after the last one only.

    All else stays: data, positive ratio, augmentation, loss, optimiser, learning rate, shares of its schedule.

    Args:
        recipe: any recipe.
        scale: ``cpu``.

    Returns:
        The recipe with ``-cpu`` behind its name.
    """
    values = recipe.model_dump()
    batch, crop = _step(recipe.data)
    epochs = min(recipe.epochs, EPOCHS)
    steps = _steps(recipe, epochs, batch * _pixels(crop))
    values["name"] = f"{recipe.name}-{scale}"
    values["epochs"] = epochs
    values["model"] = _narrowed(recipe.model).model_dump()
    values["data"] |= {
        "batch_size": batch,
        "crop": crop,
        "steps_per_epoch": steps,
        "workers": min(recipe.data.workers, 1),
    }
    values["loss"] = _stretched(recipe.loss, epochs / recipe.epochs)
    if recipe.averaging is not None:
        shortening = epochs * (steps or 1) / (recipe.epochs * (recipe.data.steps_per_epoch or 1))
        horizon = shortening / (1 - recipe.averaging.decay)
        values["averaging"]["decay"] = 1 - 1 / max(1.0, horizon)
    if recipe.evaluation.every_epochs > 1:
        values["evaluation"]["every_epochs"] = epochs
    return Recipe.model_validate(values)


def _step(data: DataConfig) -> tuple[int, Crop]:
    """Batch and crop of a step that two cores can afford."""
    batch = data.batch_size
    while batch > LEAST_BATCH and batch * _pixels(data.crop) > STEP_PX:
        batch = max(LEAST_BATCH, batch // 2)
    if data.crop is None or batch * _pixels(data.crop) <= STEP_PX:
        return batch, data.crop
    share = sqrt(STEP_PX / (batch * _pixels(data.crop)))
    height, width = (max(CROP_MULTIPLE, int(share * side) // CROP_MULTIPLE * CROP_MULTIPLE) for side in data.crop)
    return batch, (height, width)


def _pixels(crop: Crop) -> int:
    return IMAGE_PX if crop is None else crop[0] * crop[1]


def _steps(recipe: Recipe, epochs: int, step_px: int) -> int | None:
    steps = recipe.data.steps_per_epoch
    if steps is None:
        return None
    shortened = min(steps, max(LEAST_STEPS, RUN_PX // (epochs * step_px)))
    times = recipe.evaluation.per_epoch  # must divide the steps, as in the recipe
    return max(1, shortened // times) * times


def _stretched(loss: dict[str, Any], share: float) -> dict[str, Any]:
    """A loss whose schedule takes `share` of the epochs."""
    if share == 1:
        return loss
    values: dict[str, Any] = {
        key: _stretched(value, share) if isinstance(value, dict) else value for key, value in loss.items()
    }
    fields = LOSSES[loss["name"]].config.model_fields
    if "alpha_step" in fields:  # per epoch
        values["alpha_step"] = min(1.0, values.get("alpha_step", fields["alpha_step"].default) / share)
    if values.get("anneal_epochs") is not None:
        values["anneal_epochs"] *= share
    return values


def _narrowed(model: ModelConfig) -> ModelConfig:
    share, count = 1.0, _parameters(model)
    while count * share**2 > PARAMETERS:
        share /= 2
    if share == 1:
        return model
    sizes: dict[str, Any] = {"segmentation": _narrow(NETWORKS, model.segmentation, share)}
    if model.super_resolution is not None:
        sizes["super_resolution"] = _narrow(SUPER_RESOLUTION_NETWORKS, model.super_resolution, share)
    return model.model_copy(update=sizes)


def _narrow(table: Mapping[str, type[Network]], options: dict[str, Any], share: float) -> dict[str, Any]:
    config = network_config(table, {**options, **_without_file(options)})
    return {"name": options["name"], **config.narrowed(share).model_dump(mode="json")}


def _without_file(options: dict[str, Any]) -> dict[str, None]:
    return {"weights": None} if "weights" in options else {}


def _parameters(model: ModelConfig) -> int:
    with torch.device("meta"):  # shapes only
        plain = model.model_copy(update={"segmentation": {**model.segmentation, **_without_file(model.segmentation)}})
        return sum(parameter.numel() for parameter in build_model(plain).parameters())
