"""A small trained-like model, the bundle that `fissura export` makes of it, and pavement to score both on."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from fissura.bundle import Bundle, load_bundle
from fissura.synth import SynthConfig, write_dataset
from train.checkpoint import CheckpointRecord, save_checkpoint
from train.model import CrackModel, ModelConfig, build_model

SEGMENTATION = {"name": "unet", "widths": [4, 8, 16]}
SUPER_RESOLUTION = {"name": "dbpn", "scale": 2, "stages": 2, "width": 4, "features": 8}


def small_model(*, super_resolution: bool = True) -> CrackModel:
    """Random weights, always the same."""
    torch.manual_seed(11)
    return build_model(_config(super_resolution)).eval()


def save_small_checkpoint(folder: Path, *, super_resolution: bool = True) -> Path:
    record = CheckpointRecord(
        recipe={"name": "small", "data": {"train": [{"kind": "folder", "path": "/home/somebody/secret/cracks"}]}},
        model=_config(super_resolution),
        dataset_fingerprint="ab" * 32,
        seed=11,
        epochs=1,
        metrics={"f1": 0.5},
        versions={"torch": "2.13.0"},
    )
    save_checkpoint(folder, small_model(super_resolution=super_resolution), record)
    return folder


def _config(super_resolution: bool) -> ModelConfig:
    return ModelConfig(
        segmentation=SEGMENTATION,
        super_resolution=SUPER_RESOLUTION if super_resolution else None,
        mean=(0.45, 0.5, 0.55),
        std=(0.2, 0.25, 0.3),
    )


def fissura(*words: str | Path, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does, without a data folder of this machine."""
    environment = {key: value for key, value in os.environ.items() if key != "FISSURA_DATA"}
    return subprocess.run(
        [sys.executable, "-m", "fissura", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        cwd=folder,
        env=environment,
    )


def assert_refused(done: subprocess.CompletedProcess[str], *messages: str) -> None:
    """Exit code 2, a message on stderr and nothing else."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    for message in messages:
        assert message in done.stderr


@dataclass(frozen=True)
class Made:
    """What the slow part of these tests makes once."""

    checkpoint: Path
    data: Path
    bundle: Bundle
    stdout: str
    stderr: str


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    data = folder / "pavement"
    write_dataset(data, 6, SynthConfig(width=102, height=75, crack_free=0), seed=4)
    for name in ("train", "test"):  # whatever the generator's own lists are
        images = sorted((data / "images").iterdir())[:: 1 if name == "train" else 2]
        (data / f"{name}.txt").write_text("".join(f"{image.stem}\n" for image in images))
    (data / "empty.txt").write_text("\n")
    checkpoint = save_small_checkpoint(folder / "checkpoint")
    out = folder / "small"
    done = fissura("export", checkpoint, "--out", out, "--calibration-data", data, "--golden", "2")
    assert done.returncode == 0, done.stderr
    return Made(checkpoint, data, load_bundle(out), done.stdout, done.stderr)
