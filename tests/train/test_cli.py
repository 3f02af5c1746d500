"""`fissura train` with bad input: a clear error, exit code 2, no traceback, nothing left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from train.config import RECIPES, load_recipe

GOOD = {
    "name": "t",
    "epochs": 1,
    "data": {
        "train": [{"kind": "synth", "count": 1}],
        "validation": [{"kind": "synth", "count": 1}],
        "crop": [32, 32],
        "workers": 0,
    },
    "model": {"segmentation": {"name": "unet", "widths": [4, 8]}},
    "loss": {"name": "bce"},
}

BAD = {
    "unknown key": ({"epoch": 3}, ["unknown key 'epoch'", "did you mean 'epochs'?", "line "]),
    "unknown nested key": ({"optimiser": {"learning_rat": 1}}, ["optimiser.learning_rat", "learning_rate"]),
    "unknown loss": ({"loss": {"name": "wce_expp"}}, ["unknown loss 'wce_expp'", "wce_exp"]),
    "unknown loss option": ({"loss": {"name": "jaccard", "smoth": 1}}, ["smoth", "smooth"]),
    "unknown network": ({"model": {"segmentation": {"name": "vnet"}}}, ["unknown network 'vnet'", "unet"]),
    "impossible network": ({"model": {"segmentation": {"name": "unet", "widths": [4]}}}, ["two levels or more"]),
    "missing data set": (
        {"data": {**GOOD["data"], "train": [{"kind": "folder", "path": "no-such-set"}]}},  # type: ignore[dict-item]
        ["no data set 'no-such-set'"],
    ),
    "negative epochs": ({"epochs": -1}, ["epochs", "greater than 0"]),
    "odd crop": ({"data": {**GOOD["data"], "crop": [33, 32]}}, ["crops of 33x32", "multiples of 2"]),  # type: ignore[dict-item]
}


def train(folder: Path, recipe: dict[str, object], *more: str) -> subprocess.CompletedProcess[str]:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    words = [sys.executable, "-m", "fissura", "train", str(path), "--out", str(folder / "run"), "--quiet", *more]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("case", BAD)
def test_bad_recipe(tmp_path: Path, case: str) -> None:
    change, expected = BAD[case]
    finished = train(tmp_path, {**GOOD, **change})
    assert finished.returncode == 2, finished.stderr
    assert "Traceback" not in finished.stderr
    for text in expected:
        assert text in finished.stderr
    assert not (tmp_path / "run").exists()


def test_unknown_recipe_names_the_nearest() -> None:
    words = [sys.executable, "-m", "fissura", "train", "cfd-smal"]
    finished = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert finished.returncode == 2
    assert "did you mean 'cfd-small'?" in finished.stderr


@pytest.mark.parametrize("recipe", sorted(str(path.relative_to(RECIPES)) for path in RECIPES.rglob("*.yaml")))
def test_shipped_recipes_are_valid(recipe: str) -> None:
    assert load_recipe(recipe.removesuffix(".yaml"), {}).epochs >= 1
