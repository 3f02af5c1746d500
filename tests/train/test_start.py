"""Networks that come from an earlier run, and networks that stay as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from fissura.config import parse_config
from fissura.errors import CheckpointError, ConfigError
from train.checkpoint import load_checkpoint
from train.config import Recipe
from train.fit import fit
from train.model import ModelConfig, build_model
from train.start import StartConfig, start_from

UNET = {"name": "unet", "widths": [4, 8]}
DBPN = {"name": "dbpn", "scale": 2, "stages": 2, "width": 4, "features": 8}
SET = {"kind": "synth", "count": 2, "pavement": {"width": 64, "height": 64}}


def recipe(**changes: Any) -> Recipe:
    values: dict[str, Any] = {
        "name": "small",
        "epochs": 1,
        "precision": "fp32",
        "data": {"train": [SET], "validation": [SET], "batch_size": 2, "workers": 0},
        "model": {"segmentation": UNET, "super_resolution": DBPN},
        "loss": {"name": "bce"},
        "joint": {"beta": 0.5},
        "optimiser": {"learning_rate": 0.01},
    }
    return parse_config(Recipe, values | changes, origin="recipe")


def weights(folder: Path, part: str) -> dict[str, torch.Tensor]:
    network = getattr(load_checkpoint(folder).model, part)
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def test_one_network_after_the_other(tmp_path: Path) -> None:
    fit(recipe(joint={"beta": 0}), tmp_path / "first", resume=False, progress=False)
    second = recipe(joint={"beta": 1}, start={"super_resolution": str(tmp_path / "first")}, frozen=["super_resolution"])
    fit(second, tmp_path / "second", resume=False, progress=False)
    first = weights(tmp_path / "first", "super_resolution")
    assert same(first, weights(tmp_path / "second", "super_resolution"))
    assert not same(weights(tmp_path / "first", "segmentation"), weights(tmp_path / "second", "segmentation"))


def test_super_resolution_alone_leaves_the_segmentation(tmp_path: Path) -> None:
    fit(recipe(joint={"beta": 0}), tmp_path / "run", resume=False, progress=False)
    fit(recipe(joint={"beta": 0}, epochs=2), tmp_path / "longer", resume=False, progress=False)
    assert same(weights(tmp_path / "run", "segmentation"), weights(tmp_path / "longer", "segmentation"))
    assert not same(weights(tmp_path / "run", "super_resolution"), weights(tmp_path / "longer", "super_resolution"))


def test_a_frozen_network_keeps_its_statistics_too(tmp_path: Path) -> None:
    model = {"segmentation": {"name": "hrsegnet"}, "super_resolution": DBPN, "order": "segmentation_first"}
    before = recipe(model=model, joint={"beta": 1})
    fit(before, tmp_path / "first", resume=False, progress=False)
    start = {"segmentation": str(tmp_path / "first")}
    after = recipe(model=model, joint={"beta": 0}, start=start, frozen=["segmentation"])
    fit(after, tmp_path / "second", resume=False, progress=False)
    assert any("running_mean" in name for name in weights(tmp_path / "first", "segmentation"))
    assert same(weights(tmp_path / "first", "segmentation"), weights(tmp_path / "second", "segmentation"))
    one, two = (weights(tmp_path / run, "super_resolution") for run in ("first", "second"))
    assert not same(one, two)


def test_another_network_cannot_be_started_from(tmp_path: Path) -> None:
    fit(recipe(), tmp_path / "run", resume=False, progress=False)
    wider = build_model(ModelConfig(segmentation={**UNET, "widths": [4, 16]}))
    with pytest.raises(CheckpointError, match="another one"):
        start_from(wider, StartConfig(segmentation=tmp_path / "run"))
    with pytest.raises(CheckpointError, match="no such network"):
        start_from(wider, StartConfig(super_resolution=tmp_path / "run"))
    with pytest.raises(CheckpointError, match="is no checkpoint"):
        start_from(wider, StartConfig(segmentation=tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frozen": ["segmentation", "super_resolution"]}, "nothing would be trained"),
        ({"frozen": ["super_resolution"], "model": {"segmentation": UNET}, "joint": None}, "does not have"),
        ({"start": {"segmentation": "runs/x"}, "initialisation": "he_normal"}, "give one of them"),
        ({"start": {"boundary": "runs/x"}}, "unknown key 'start.boundary'"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        recipe(**changes)
