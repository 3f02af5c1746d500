"""A run that is killed with `kill -9` and resumed ends with the weights of an unbroken run, bit for bit."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml

from fissura.cli import main
from fissura.files import sha256
from fissura.synth import SynthConfig, write_dataset

RECIPE = {
    "name": "short",
    "seed": 3,
    "epochs": 4,
    "precision": "fp32",
    "data": {"batch_size": 2, "steps_per_epoch": 6, "crop": [32, 32], "workers": 1},
    "model": {
        "segmentation": {"name": "unet", "widths": [4, 8]},
        "super_resolution": {"name": "dbpn", "scale": 2, "stages": 2, "width": 4, "features": 8},
    },
    "loss": {"name": "holistic"},
    "joint": {"beta": 0.3, "high_resolution": 0.5},
    "augmentation": {"horizontal_flip": True, "rotation_deg": 10, "noise_std": 0.02},
    "optimiser": {"learning_rate": 1e-3, "schedule": "one_cycle"},
    "averaging": {"decay": 0.9},
    "evaluation": {"every_epochs": 2},
}


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("resume")
    data = folder / "pavement"
    write_dataset(data, 8, SynthConfig(width=64, height=64), seed=1)
    sets = [{"kind": "folder", "path": str(data), "split": "all"}]
    text = {**RECIPE, "data": {**RECIPE["data"], "train": sets, "validation": sets}}  # type: ignore[dict-item]
    path = folder / "short.yaml"
    path.write_text(yaml.safe_dump(text))
    return path


@pytest.fixture(scope="module")
def unbroken(recipe: Path) -> Path:
    folder = recipe.parent / "unbroken"
    finished = train(recipe, folder)
    assert finished.returncode == 0, finished.stderr
    return folder


def command(recipe: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "fissura", "train", str(recipe), "--out", str(out), "--quiet", *more]


def train(recipe: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(recipe, out, *more), capture_output=True, text=True, timeout=240, check=False)


def figures(folder: Path) -> list[dict[str, str]]:
    """`metrics.csv` without the wall time, which no two runs share."""
    with (folder / "metrics.csv").open() as stream:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(stream)]


def epochs_done(folder: Path) -> int:
    try:
        with (folder / "metrics.csv").open() as stream:
            return len(list(csv.DictReader(stream)))
    except FileNotFoundError:
        return 0


def test_killed_and_resumed_equals_unbroken(recipe: Path, unbroken: Path) -> None:
    folder = recipe.parent / "killed"
    process = subprocess.Popen(
        command(recipe, folder), start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 200
    while not (folder / "resume.ckpt").exists():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline, "no epoch was finished in time"
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)  # trainer and data workers alike
    process.wait()
    assert not (folder / "checkpoint").exists(), "it was killed too late to prove anything"
    assert 1 <= epochs_done(folder) < 4

    resumed = train(recipe, folder, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert sha256(folder / "checkpoint" / "weights.safetensors") == sha256(
        unbroken / "checkpoint" / "weights.safetensors"
    )
    assert figures(folder) == figures(unbroken)
    for file in ("checkpoint.json", "weights.safetensors"):
        assert (folder / "checkpoint" / file).read_bytes() == (unbroken / "checkpoint" / file).read_bytes()


def test_epochs_without_validation_have_no_scores(unbroken: Path) -> None:
    with (unbroken / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [bool(row["f1"]) for row in rows] == [False, True, False, True]
    assert all(row["train_loss"] for row in rows)


def refused(capsys: pytest.CaptureFixture[str], recipe: Path, out: Path, *more: str) -> str:
    """What is said of a run that is refused. In this process: PyTorch takes seconds to import."""
    assert main(["train", str(recipe), "--out", str(out), "--quiet", *more]) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize("lacking", ["everything", "a weight"])
def test_resume_refuses_a_damaged_state(
    recipe: Path, unbroken: Path, tmp_path: Path, lacking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "recipe.yaml").write_text((unbroken / "recipe.yaml").read_text())
    state = torch.load(unbroken / "resume.ckpt", weights_only=True)
    del state["state_dict"]["model.segmentation.head.weight"]
    torch.save({} if lacking == "everything" else state, folder / "resume.ckpt")
    assert "cannot be used" in refused(capsys, recipe, folder, "--resume")


def test_finished_run_is_not_overwritten(recipe: Path, unbroken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sha256(unbroken / "checkpoint" / "weights.safetensors")
    assert "holds a run already" in refused(capsys, recipe, unbroken)
    assert sha256(unbroken / "checkpoint" / "weights.safetensors") == before


def test_resume_refuses_another_recipe(recipe: Path, unbroken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = refused(capsys, recipe, unbroken, "--resume", "--set", "optimiser.learning_rate=0.5")
    assert "recipe differs" in shown


def test_resume_refuses_a_file_that_holds_code(
    recipe: Path, unbroken: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pickle that would run a command is refused, not run."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "recipe.yaml").write_text((unbroken / "recipe.yaml").read_text())
    proof = tmp_path / "proof"
    (folder / "resume.ckpt").write_bytes(f"cos\nsystem\n(S'touch {proof}'\ntR.".encode())
    assert "cannot be used" in refused(capsys, recipe, folder, "--resume")
    assert not proof.exists()
