"""`fissura train` with bad input: a clear error, exit code 2, no traceback, nothing left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from fissura.cli import main
from fissura.imaging.images import write_rgb
from fissura.synth import SynthConfig, write_dataset

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
    "impossible network": (
        {"model": {"segmentation": {"name": "unet", "widths": [4]}}},
        ["widths", "at least 2 items"],
    ),
    "missing data set": (
        {"data": {**GOOD["data"], "train": [{"kind": "folder", "path": "no-such-set"}]}},  # type: ignore[dict-item]
        ["no data set 'no-such-set'"],
    ),
    "negative epochs": ({"epochs": -1}, ["epochs", "greater than 0"]),
    "file and line of a plugin's option": (
        {"model": {"segmentation": {"name": "unet", "widhts": [4, 8]}}},
        ["recipe.yaml, line ", "model.segmentation", "unknown key 'widhts'", "did you mean 'widths'?"],
    ),
    "negative width": (
        {"model": {"segmentation": {"name": "unet", "widths": [4, -8]}}},
        ["widths.1", "greater than 0"],
    ),
    "a list for a name": ({"loss": {"name": ["bce"]}}, ["unknown loss ['bce']"]),
    "seed too large": ({"seed": 10**20}, ["seed", "less than 4294967296"]),
    "no deviation": ({"model": {"std": [0, 0, 0]}}, ["std", "greater than 0"]),
    "unscored last epoch": ({"epochs": 3, "evaluation": {"every_epochs": 2}}, ["every_epochs", "must divide"]),
    "turned rectangles": (
        {"augmentation": {"quarter_turns": True}, "data": {**GOOD["data"], "crop": [32, 64]}},  # type: ignore[dict-item]
        ["quarter_turns", "square crops"],
    ),
    "odd crop": (
        {
            "data": {**GOOD["data"], "crop": [33, 32]},  # type: ignore[dict-item]
            "model": {
                "segmentation": {"name": "unet", "widths": [4, 8]},
                "super_resolution": {"name": "dbpn", "scale": 2, "stages": 2, "width": 4, "features": 8},
            },
            "joint": {},
        },
        ["crops of 33x32", "multiples of 2"],
    ),
    "crops of a kind without a size": (
        {"data": {**GOOD["data"], "crop": None, "sampling": {"crack_share": 0.5}}},  # type: ignore[dict-item]
        ["sampling", "set `data.crop`"],
    ),
    "two rules for crops": (
        {"data": {**GOOD["data"], "sampling": {"crack_share": 0.5, "positive_ratio": [1, 3]}}},  # type: ignore[dict-item]
        ["positive_ratio", "give one"],
    ),
}


def train(folder: Path, recipe: dict[str, object], *more: str) -> subprocess.CompletedProcess[str]:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    words = [sys.executable, "-m", "fissura", "train", str(path), "--out", str(folder / "run"), "--quiet", *more]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("case", BAD)
def test_bad_recipe(tmp_path: Path, case: str, capsys: pytest.CaptureFixture[str]) -> None:
    change, expected = BAD[case]
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **change}))
    # In this process: PyTorch takes seconds to import. The tests below go through a process of their own.
    assert main(["train", str(path), "--out", str(tmp_path / "run"), "--quiet"]) == 2
    shown = capsys.readouterr().err
    for text in expected:
        assert text in shown
    assert not (tmp_path / "run").exists()


def folder_recipe(folder: Path, **changes: object) -> dict[str, object]:
    """A recipe on two synthetic images in a folder, in two epochs."""
    write_dataset(folder / "set", 4, SynthConfig(width=64, height=64), seed=2)
    sets = [{"kind": "folder", "path": str(folder / "set"), "split": "all"}]
    data = {**GOOD["data"], "train": sets, "validation": sets, "workers": 1, **changes}  # type: ignore[dict-item]
    return {**GOOD, "data": data, "epochs": 2}


def test_unusable_images_are_found_before_the_run_begins(tmp_path: Path) -> None:
    recipe = folder_recipe(tmp_path)
    mask = tmp_path / "set" / "masks" / "0002.png"
    assert mask.is_file()
    write_rgb(mask, np.zeros((10, 12), np.uint8))
    finished = train(tmp_path, recipe)
    assert finished.returncode == 2
    assert f"mask {mask} is 12x10 pixels" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert not (tmp_path / "run").exists()


def test_images_of_several_sizes_need_crops(tmp_path: Path) -> None:
    recipe = folder_recipe(tmp_path, crop=None)
    image, mask = tmp_path / "set" / "images" / "0001.png", tmp_path / "set" / "masks" / "0001.png"
    write_rgb(image, np.zeros((32, 64, 3), np.uint8))
    write_rgb(mask, np.zeros((32, 64), np.uint8))
    finished = train(tmp_path, recipe)
    assert finished.returncode == 2
    assert "differ in size" in finished.stderr
    assert "data.crop" in finished.stderr


def test_a_loss_that_is_not_finite_ends_the_run(tmp_path: Path) -> None:
    finished = train(tmp_path, {**folder_recipe(tmp_path), "optimiser": {"learning_rate": 1e30}})
    assert finished.returncode == 2
    assert "not finite" in finished.stderr or "is nan" in finished.stderr
    assert not (tmp_path / "run" / "checkpoint").exists()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_the_run_with_their_own_code(tmp_path: Path, number: signal.Signals, code: int) -> None:
    process = start(tmp_path, {**folder_recipe(tmp_path, steps_per_epoch=10), "epochs": 10_000})
    wait_for(tmp_path / "run" / "resume.ckpt", process)
    process.send_signal(number)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == code, errors
    assert "--resume" in errors
    assert not (tmp_path / "run" / "checkpoint").exists()


def heed_interrupts() -> None:
    """A shell starts its background jobs with SIGINT ignored, and whatever they start inherits that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(folder: Path, recipe: dict[str, object]) -> subprocess.Popen[str]:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(recipe))
    words = [sys.executable, "-m", "fissura", "train", str(path), "--out", str(folder / "run"), "--quiet"]
    return subprocess.Popen(
        words,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,
    )


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 200
    while not path.exists():
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)


def test_unknown_recipe_names_the_nearest() -> None:
    words = [sys.executable, "-m", "fissura", "train", "cfd-smal"]
    finished = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert finished.returncode == 2
    assert "did you mean 'cfd-small'?" in finished.stderr
