"""`fissura calibrate` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fissura.bundle import MANIFEST_NAME, load_bundle
from fissura.dataset import load_dataset
from fissura.imaging.images import read_gray, write_rgb


def calibrate(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fissura", "calibrate", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_prints_and_writes_nothing_by_default(bundle_folder: Path, streets: Path) -> None:
    before = load_bundle(bundle_folder).id
    done = calibrate(bundle_folder, streets)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["fused", "0.50", "0.80", "1.0000", "1.0000", "1.0000"] in lines
    assert "nothing was written" in done.stdout
    assert load_bundle(bundle_folder).id == before


def test_out_writes_a_new_bundle_and_the_old_one_stays(bundle_folder: Path, streets: Path, tmp_path: Path) -> None:
    before = load_bundle(bundle_folder).id
    new = tmp_path / "new"
    done = calibrate(bundle_folder, streets, "--out", new, "--json", "--limit", "2")
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["written"] == str(new)
    assert printed["graphs"]["segmentation"]["threshold"] == 0.8
    assert printed["graphs"]["segmentation"]["images"] == 2
    assert load_bundle(new).graph("segmentation").threshold == 0.8
    assert load_bundle(bundle_folder).id == before


def test_split_seed_draws_another_split(bundle_folder: Path, streets: Path) -> None:
    for name in ("train", "test"):
        (streets / f"{name}.txt").unlink()
    fingerprints = set()
    for seed in range(4):
        done = calibrate(bundle_folder, streets, "--json", "--split-seed", str(seed))
        assert done.returncode == 0, done.stderr
        graph = json.loads(done.stdout)["graphs"]["fused"]
        assert graph["fingerprint"] == load_dataset(streets, "train", seed=seed).fingerprint()
        fingerprints.add(graph["fingerprint"])
    assert len(fingerprints) > 1


def test_bad_input(bundle_folder: Path, streets: Path, tmp_path: Path) -> None:
    cases: list[tuple[list[str | Path], str]] = [
        ([tmp_path / "no-bundle", streets], "is no bundle"),
        ([bundle_folder, tmp_path / "no-data"], "there is no data set"),
        ([bundle_folder, streets, "--split", "test"], "is empty"),
        ([bundle_folder, streets, "--split", "valid"], "has no split 'valid'"),
        ([bundle_folder, streets, "--drop", "0,1", "2"], "is empty"),
        ([bundle_folder, streets, "--limit", "0"], "found '0', expected a whole number of 1 or more"),
        ([bundle_folder, streets, "--tolerance", "nan"], "found 'nan', expected a number of pixels"),
        ([bundle_folder, streets, "--out", streets], "exists already"),
        ([bundle_folder, streets, "--out", bundle_folder / "new"], "lies inside the bundle"),
        ([bundle_folder, streets, "--in-place"], "unrecognized arguments: --in-place"),
        ([bundle_folder, streets, "--split-seed", "-1"], "found '-1', expected a whole number of 0 or more"),
    ]
    for words, message in cases:
        assert_refused(calibrate(*words), message)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "streets"]


@pytest.mark.parametrize("damage", ["hash", "mask size", "image"])
def test_damaged_files(bundle_folder: Path, streets: Path, damage: str, tmp_path: Path) -> None:
    if damage == "hash":
        graph = bundle_folder / "fused.onnx"
        graph.write_bytes(graph.read_bytes().replace(b"darkness", b"darkmess"))
        message = "is not the file that was exported"
    elif damage == "image":
        (streets / "images" / "1.png").write_bytes(b"\x89PNG")
        message = "1.png is damaged"
    else:
        write_rgb(streets / "masks" / "1.png", read_gray(streets / "masks" / "1.png")[:-1])
        message = "expected: the size of its image"
    manifest = (bundle_folder / MANIFEST_NAME).read_bytes()
    assert_refused(calibrate(bundle_folder, streets, "--out", tmp_path / "new"), message)
    assert (bundle_folder / MANIFEST_NAME).read_bytes() == manifest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "streets"]


def assert_refused(done: subprocess.CompletedProcess[str], message: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
