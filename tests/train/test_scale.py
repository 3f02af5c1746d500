"""`--scale cpu`: narrow and short, and otherwise the same recipe."""

from __future__ import annotations

from typing import Any

import pytest

from train.config import RECIPES, Recipe, load_recipe
from train.model import build_model
from train.networks import NETWORKS
from train.scale import IMAGE_PX, PARAMETERS, RUN_PX, STEP_PX, scaled

SET = {"kind": "synth", "count": 1}
NAMES = sorted(str(path.relative_to(RECIPES).with_suffix("")) for path in RECIPES.rglob("*.yaml"))


def recipe(**changes: Any) -> Recipe:
    values: dict[str, Any] = {
        "name": "t",
        "epochs": 4,
        "data": {"train": [SET], "validation": [SET], "crop": [64, 64], "steps_per_epoch": 10},
        "model": {"segmentation": {"name": "unet", "widths": [4, 8]}},
        "loss": {"name": "bce"},
    }
    return Recipe.model_validate({**values, **changes})


def data(**changes: Any) -> dict[str, Any]:
    return {"train": [SET], "validation": [SET], **changes}


def test_paper_000_on_cfd_is_an_eighth_as_wide_and_as_long_as_it_was() -> None:
    small = scaled(load_recipe("paper000/cfd-holistic", {}), "cpu")
    assert small.name == "paper000-cfd-holistic-cpu"
    assert small.model.segmentation["widths"] == [8, 16, 32, 64, 128]
    assert (small.epochs, small.data.steps_per_epoch, small.data.batch_size) == (5, 300, 2)


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_becomes_affordable_and_keeps_what_makes_it(name: str) -> None:
    full = load_recipe(name, {})
    small = scaled(full, "cpu")
    assert small == scaled(full, "cpu")
    assert sum(p.numel() for p in build_model(small.model).parameters()) <= 1.1 * PARAMETERS
    step = small.data.batch_size * (IMAGE_PX if small.data.crop is None else small.data.crop[0] * small.data.crop[1])
    assert step <= STEP_PX
    assert small.data.steps_per_epoch is None or small.epochs * small.data.steps_per_epoch * step <= RUN_PX
    kept = {"seed", "precision", "augmentation", "optimiser", "joint", "initialisation"}
    assert small.model_dump(include=kept) == full.model_dump(include=kept)
    for key in ("train", "validation", "sampling", "frame_kernel"):
        assert getattr(small.data, key) == getattr(full.data, key)
    assert small.loss["name"] == full.loss["name"]
    if small.epochs == full.epochs:
        assert small.loss == full.loss
    # It is what a run folder stores: it must read back as itself.
    assert Recipe.model_validate(small.model_dump(mode="json")) == small


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_network_becomes_narrow(name: str) -> None:
    small = scaled(recipe(model={"segmentation": {"name": name}}), "cpu")
    assert sum(p.numel() for p in build_model(small.model).parameters()) <= 1.1 * PARAMETERS


def test_what_is_small_already_stays() -> None:
    full = recipe()
    assert scaled(full, "cpu") == full.model_copy(update={"name": "t-cpu"})


def test_both_networks_of_a_super_resolution_recipe_are_narrowed_alike() -> None:
    small = scaled(load_recipe("paper004/khanhha-joint-bc2", {}), "cpu").model
    assert small.super_resolution is not None
    assert (small.super_resolution["width"], small.super_resolution["features"]) == (8, 32)
    assert small.segmentation["widths"] == [8, 16, 32, 64, 64]


def test_the_batch_shrinks_before_the_crop_and_the_crop_keeps_its_shape() -> None:
    small = scaled(recipe(data=data(crop=[256, 256], batch_size=32)), "cpu").data
    assert (small.batch_size, small.crop) == (4, (256, 256))
    smaller = scaled(recipe(data=data(crop=[1024, 512], batch_size=7)), "cpu").data
    assert (smaller.batch_size, smaller.crop) == (2, (544, 256))


def test_a_long_run_becomes_twenty_epochs_with_the_schedule_of_its_loss() -> None:
    loss = {"name": "boundary_combo", "alpha_step": 0.01}
    small = scaled(recipe(epochs=100, loss=loss), "cpu")
    assert (small.epochs, small.loss["alpha_step"]) == (20, pytest.approx(0.05))
    annealed = {"name": "wce_exp", "beta_end": 0.5, "anneal_epochs": 50}
    inner = scaled(recipe(epochs=100, loss={"name": "holistic", "wce": annealed}), "cpu").loss
    assert inner["wce"]["anneal_epochs"] == pytest.approx(10)


def test_steps_still_divide_into_the_scores_of_an_epoch() -> None:
    full = recipe(
        epochs=20,
        data=data(crop=[320, 480], batch_size=2, steps_per_epoch=1000),
        evaluation={"per_epoch": 4},
    )
    assert scaled(full, "cpu").data.steps_per_epoch == 72  # 75 fit the budget


def test_a_recipe_that_is_scored_now_and_then_is_scored_at_its_end() -> None:
    assert scaled(recipe(epochs=98, evaluation={"every_epochs": 7}), "cpu").evaluation.every_epochs == 20
    assert scaled(recipe(epochs=98), "cpu").evaluation.every_epochs == 1


def test_averaged_weights_look_back_over_the_same_share_of_the_run() -> None:
    full = recipe(epochs=200, averaging={"decay": 0.999})
    averaging = scaled(full, "cpu").averaging
    assert averaging is not None
    assert averaging.decay == pytest.approx(0.99)


def test_weights_from_a_file_fit_no_narrow_network() -> None:
    small = scaled(recipe(model={"segmentation": {"name": "hed", "weights": "vgg16.safetensors"}}), "cpu")
    assert small.model.segmentation["weights"] is None
