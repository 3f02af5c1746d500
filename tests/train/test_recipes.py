"""Every shipped recipe reads, and its variant for two cores trains."""

from __future__ import annotations

import re

import pytest
import torch
from torch.utils.data import DataLoader

from train.config import RECIPES, Recipe, load_recipe
from train.data.module import CrackData
from train.initialise import initialise
from train.losses import build_loss
from train.model import build_model
from train.optimiser import build_optimiser
from train.scale import scaled
from train.task import CrackTask

NAMES = sorted(str(path.relative_to(RECIPES).with_suffix("")) for path in RECIPES.rglob("*.yaml"))
PAPERS = {
    "paper000": "cfd-holistic",
    "paper001": "cfd-structured",
    "paper002": "concrete-spiral-pseudo-f1",
    "paper003": "deepcrack-hybrid-focal-margin",
    "paper004": "khanhha-joint-bc2",
}


@pytest.mark.parametrize("name", NAMES)
def test_shipped_recipes_are_valid_and_say_where_they_come_from(name: str) -> None:
    recipe = load_recipe(name, {})
    assert recipe.name == name.replace("/", "-")
    text = (RECIPES / f"{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# ")
    if name.startswith("paper"):
        assert re.match(r"# Paper 00\d", text), "the paper stands in the first line"
        assert "Stated:" in text
        assert "Inferred:" in text or "From the official code:" in text


def test_each_paper_has_recipes() -> None:
    assert {name.split("/")[0] for name in NAMES if name.startswith("paper")} == set(PAPERS)


@pytest.mark.parametrize("paper", PAPERS)
def test_a_recipe_of_each_paper_takes_steps_at_the_scale_of_a_cpu(paper: str) -> None:
    """Two steps on synthetic pavement: samples, networks, loss and optimiser fit each other, and the weights move."""
    recipe = on_synthetic_pavement(scaled(load_recipe(f"{paper}/{PAPERS[paper]}", {}), "cpu"))
    torch.manual_seed(0)
    model = build_model(recipe.model)
    if recipe.initialisation is not None:
        initialise(model, recipe.initialisation)
    loss = build_loss(recipe.loss)
    loss.set_epoch(0)
    samples = CrackData(recipe, scale=model.scale).samples
    batch = next(iter(DataLoader(samples, batch_size=recipe.data.batch_size)))
    assert ("distance" in batch) == (loss.distance_kind is not None)
    assert ("frame" in batch) == (model.scale > 1)
    task = CrackTask(model, loss, recipe, 2)
    made = build_optimiser(recipe.optimiser, model.parameters(), 2)
    optimiser = made["optimizer"] if isinstance(made, dict) else made
    before = [parameter.detach().clone() for parameter in model.parameters()]
    image = batch["image"]
    for _ in range(2):
        optimiser.zero_grad()
        joint = model.scale > 1
        value = task._joint_loss(batch["frame"], image, batch) if joint else task._segmentation_loss(image, batch)
        value.backward()
        optimiser.step()
        assert value.isfinite()
    moved = [not torch.equal(old, new) for old, new in zip(before, model.parameters(), strict=True)]
    assert sum(moved) > 0.9 * len(moved)


def on_synthetic_pavement(recipe: Recipe) -> Recipe:
    """The same recipe on a handful of small synthetic images."""
    values = recipe.model_dump()
    side = 96 if recipe.data.crop is None else min(96, *recipe.data.crop)
    images = {"kind": "synth", "count": 2, "pavement": {"width": 128, "height": 128}}
    values["data"] |= {
        "train": [images],
        "validation": [images],
        "crop": [side, side],
        "batch_size": min(4, recipe.data.batch_size),
        "workers": 0,
    }
    return Recipe.model_validate(values)
