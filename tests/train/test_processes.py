"""Two processes give the result of one; a process that is killed ends the run with one clear error."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import safetensors.torch
import torch
import yaml
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from fissura.errors import ConfigError
from train.config import Recipe
from train.data.shards import Shard
from train.fit import fit
from train.launch import cause, launch
from train.model import build_model
from train.processes import PeerLostError, Processes, check_processes, lost_peer
from train.trainer import check_batch_norm

# Statistics of the whole batch (Jaccard, share of crack pixels), augmentation, a schedule, averaged weights, and a
# validation list that two processes cannot halve.
RECIPE: dict[str, Any] = {
    "name": "shared",
    "seed": 3,
    "epochs": 2,
    "precision": "fp32",
    "data": {
        "train": [{"kind": "synth", "count": 6, "pavement": {"width": 48, "height": 48}}],
        "validation": [{"kind": "synth", "count": 3, "seed": 9, "pavement": {"width": 48, "height": 48}}],
        "batch_size": 4,
        "steps_per_epoch": 4,
        "crop": [32, 32],
        "workers": 0,
    },
    "model": {"segmentation": {"name": "unet", "widths": [4, 8]}},
    "loss": {"name": "holistic", "a": 2},
    "augmentation": {"horizontal_flip": True, "rotation_deg": 10, "noise_std": 0.02},
    "optimiser": {"learning_rate": 1e-3, "schedule": "one_cycle"},
    "averaging": {"decay": 0.9},
    "evaluation": {"per_epoch": 2},
}

# Long enough to be killed on the way.
LONG = {**RECIPE, "epochs": 12, "evaluation": {"every_epochs": 1}}


def weights(run: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = safetensors.torch.load_file(run / "checkpoint" / "weights.safetensors")
    return found


def rows(run: Path) -> list[dict[str, float]]:
    with (run / "metrics.csv").open() as stream:
        found = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(stream)]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in found]


def assert_same_run(run: Path, expected: Path) -> None:
    for name, tensor in weights(expected).items():
        torch.testing.assert_close(weights(run)[name], tensor, rtol=0, atol=1e-5, msg=name)
    for ours, theirs in zip(rows(run), rows(expected), strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    fit(Recipe.model_validate(RECIPE), folder, resume=False, progress=False)
    return folder


def test_two_processes_give_the_result_of_one(alone: Path, tmp_path: Path) -> None:
    recipe = Recipe.model_validate(RECIPE)
    handler = signal.getsignal(signal.SIGTERM)
    metrics = launch(partial(fit, recipe, tmp_path, resume=False, progress=False), 2)
    assert signal.getsignal(signal.SIGTERM) == handler, "the caller's signals are its own again"
    assert_same_run(tmp_path, alone)
    assert metrics["f1"] == rows(tmp_path)[-1]["f1"]


def test_rows_within_an_epoch(alone: Path) -> None:
    found = rows(alone)
    assert [row["epoch"] for row in found] == [0.5, 1.0, 1.5, 2.0]
    assert [row["step"] for row in found] == [2, 4, 6, 8]
    assert all("f1" in row and "train_loss" in row for row in found)


@pytest.mark.slow
def test_a_killed_process_ends_the_run_and_one_process_goes_on_with_it(alone: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = start(folder, tmp_path / "recipe.yaml", "--devices", "2")
    wait_for(folder / "resume.ckpt", process)
    ranks = [child for child in psutil.Process(process.pid).children() if "spawn_main" in " ".join(child.cmdline())]
    assert len(ranks) == 2
    ranks[1].send_signal(signal.SIGKILL)
    _, errors = process.communicate(timeout=200)
    if process.returncode == 0:
        pytest.skip("the run ended before it could be killed")
    assert process.returncode == 2, errors
    assert errors.count("error:") == 1
    assert "was ended by SIGKILL" in errors
    assert "Traceback" not in errors
    assert not psutil.wait_procs(ranks, timeout=30)[1], "all processes end with the first"
    fit(Recipe.model_validate(LONG), folder, resume=True, progress=False)
    fit(Recipe.model_validate(LONG), tmp_path / "unbroken", resume=False, progress=False)
    assert_same_run(folder, tmp_path / "unbroken")


def start(folder: Path, path: Path, *more: str) -> subprocess.Popen[str]:
    path.write_text(yaml.safe_dump(LONG))
    words = [sys.executable, "-m", "fissura", "train", str(path), "--out", str(folder), "--quiet", *more]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 200
    while not path.exists():
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)


@pytest.mark.slow
def test_a_run_of_one_process_goes_on_with_two_under_torchrun(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = start(folder, tmp_path / "recipe.yaml")
    wait_for(folder / "resume.ckpt", process)
    process.kill()
    process.wait()
    words = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "fissura", "train"]
    more = [str(tmp_path / "recipe.yaml"), "--out", str(folder), "--quiet", "--resume"]
    finished = subprocess.run([*words, *more], capture_output=True, text=True, timeout=280, check=False)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.count("checkpoint:") == 1, "one process prints"
    fit(Recipe.model_validate(LONG), tmp_path / "unbroken", resume=False, progress=False)
    assert_same_run(folder, tmp_path / "unbroken")


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_all_processes(tmp_path: Path, number: signal.Signals, code: int) -> None:
    folder = tmp_path / "run"
    process = start(folder, tmp_path / "recipe.yaml", "--devices", "2", "--set", "epochs=4000")
    wait_for(folder / "resume.ckpt", process)
    ranks = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, number)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == code, errors
    assert "--resume" in errors
    assert "Traceback" not in errors
    assert not psutil.wait_procs(ranks, timeout=30)[1], "all processes end with the first"


def failure(code: int, message: str = "") -> ProcessFailure:
    found = ProcessFailure(local_rank=0, pid=1, exitcode=code, error_file="none")
    found.message = message or found.message
    return found


def test_the_error_is_that_of_the_process_that_failed_first() -> None:
    lost = failure(1, "PeerLostError: another process of this run has ended")
    refused = failure(1, "ConfigError: batches of 3\n  expected: 4\n  to do:    choose 4")
    error = cause({0: lost, 1: refused})
    assert isinstance(error, ConfigError)
    assert str(error) == "batches of 3\n  expected: 4\n  to do:    choose 4"
    assert "process 1 was ended by SIGKILL" in str(cause({0: lost, 1: failure(-signal.SIGKILL)}))
    assert isinstance(cause({0: lost}), PeerLostError)
    assert isinstance(cause({0: failure(1, "KeyError: 'x'")}), RuntimeError), "our own mistake keeps its traceback"
    ended = cause({0: failure(143), 1: lost})
    assert isinstance(ended, SystemExit)
    assert ended.code == 143


@pytest.mark.parametrize("message", ["[../gloo/transport/tcp/pair.cc:547] Connection closed by peer [127.0.0.1]:51"])
def test_a_lost_peer_is_told_from_a_mistake(message: str) -> None:
    assert lost_peer(RuntimeError(message))
    assert not lost_peer(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not lost_peer(KeyError("peer"))


@pytest.mark.parametrize("count", [1, 2, 3, 6])
def test_shards_are_the_batches_of_one_process(count: int) -> None:
    parts = [list(Shard(range(12, 36), batch_size=6, rank=rank, count=count)) for rank in range(count)]  # type: ignore[arg-type]
    size = 6 // count
    batches = [[p for part in parts for p in part[i * size : (i + 1) * size]] for i in range(4)]
    assert batches == [list(range(start, start + 6)) for start in range(12, 36, 6)]
    assert all(len(Shard(range(24), batch_size=6, rank=0, count=count)) == len(part) for part in parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(("length", "count"), [(5, 2), (7, 3), (4, 4), (1, 1)])
def test_shares_are_all_and_in_order(length: int, count: int) -> None:
    shares = [Processes(rank, count, count).share(length) for rank in range(count)]
    assert [item for share in shares for item in share] == list(range(length))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_what_cannot_be_shared_is_refused() -> None:
    with pytest.raises(ConfigError, match="3 processes share batches of 4"):
        check_processes(Processes(0, 3, 3), batch_size=4, images=9)
    with pytest.raises(ConfigError, match="share 1 validation images"):
        check_processes(Processes(0, 2, 2), batch_size=4, images=1)


@pytest.mark.skipif(torch.cuda.is_available(), reason="GPUs share the statistics of batch normalisation")
def test_batch_normalisation_over_processes_without_gpus_is_refused() -> None:
    recipe = Recipe.model_validate({**RECIPE, "model": {"segmentation": {"name": "hrsegnet"}}})
    model = build_model(recipe.model)
    check_batch_norm(model, recipe, Processes())
    with pytest.raises(ConfigError, match="sync_batchnorm"):
        check_batch_norm(model, recipe, Processes(0, 2, 2))
    check_batch_norm(model, recipe.model_copy(update={"sync_batchnorm": False}), Processes(0, 2, 2))
