"""What ships works as it ships: the tiny bundle, the sample images, and the demo over its embedded broker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_runtime.golden import check_golden
from fissura.bundle import load_bundle
from fissura.dataset import data_folder

ROOT = Path(__file__).parents[1]
TINY = ROOT / "examples" / "bundles" / "tiny"
IMAGES = ROOT / "examples" / "images"
LARGEST_BYTES = 12_000_000
LARGEST_PARAMETERS = 600_000


def fissura(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fissura", *words],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
    )


def test_tiny_is_whole_small_and_proven() -> None:
    bundle = load_bundle(TINY)
    manifest = bundle.manifest
    assert set(manifest.graphs) == {"segmentation", "super_resolution", "fused"}
    assert sum(entry.size_bytes for entry in manifest.files.values()) <= LARGEST_BYTES
    assert manifest.lineage.metrics["parameters"] <= LARGEST_PARAMETERS
    for role in manifest.graphs:
        assert manifest.parity[role].max_abs <= 1e-4
        assert len(manifest.parity[role].sizes) >= 2
    check_golden(bundle)


def test_tiny_finds_the_cracks_of_the_sample_images() -> None:
    finished = fissura("eval", str(TINY), str(IMAGES), "--json")
    assert finished.returncode == 0, finished.stderr
    scores = json.loads(finished.stdout)
    stated = json.loads((TINY.parent / "scores.json").read_text())["sample images"]
    assert scores["images"] == 12
    assert scores["mode"] == "fused"
    assert scores["f1"] == pytest.approx(stated["f1"], abs=0.005)
    assert scores["at_bundle_threshold"]["f1"] == pytest.approx(stated["at_bundle_threshold"]["f1"], abs=0.005)


@pytest.mark.skipif(data_folder() is None, reason="FISSURA_DATA names no folder of data sets")
def test_tiny_scores_as_stated_on_its_test_list() -> None:
    finished = fissura("eval", str(TINY), "cracksc", "--json")
    assert finished.returncode == 0, finished.stderr
    stated = json.loads((TINY.parent / "scores.json").read_text())["cracksc test list"]
    assert json.loads(finished.stdout)["f1"] == pytest.approx(stated["f1"], abs=0.005)


def test_demo_publishes_and_reports(tmp_path: Path) -> None:
    finished = fissura("demo", "--out", str(tmp_path / "out"), "--mission", "bridge-12", "--gsd", "1.5")
    assert finished.returncode == 0, finished.stderr
    printed = [line for line in finished.stdout.splitlines() if line.startswith("[bridge-12] ")]
    assert len(printed) >= 12
    assert any(" mm " in line for line in printed)
    report = (tmp_path / "out" / "report.html").read_text()
    assert f"{len(printed)} cracks in 12 frames" in report
    assert len(list((tmp_path / "out" / "frames").glob("*.jpg"))) == 12
    for stage in ("encode", "fused", "decode", "spool"):
        assert f"<td>{stage}</td>" in report


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--bundle", "no-such-bundle"], "is no bundle"),
        (["--images", "no-such-folder"], "does not exist"),
        (["--broker", "127.0.0.1:1"], "no MQTT broker at 127.0.0.1:1"),
        (["--broker", "host:port"], "expected: HOST or HOST:PORT"),
    ],
)
def test_demo_with_bad_input(tmp_path: Path, words: list[str], message: str) -> None:
    finished = fissura("demo", "--out", str(tmp_path / "out"), *words)
    assert finished.returncode == 2
    assert message in finished.stderr
    assert "Traceback" not in finished.stderr
    assert list(tmp_path.iterdir()) == []


def test_demo_replaces_no_folder_but_its_own(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "wedding.jpg").write_bytes(b"irreplaceable")
    finished = fissura("demo", "--out", str(tmp_path / "photos"))
    assert finished.returncode == 2
    assert "is no report of the demo" in finished.stderr
    assert (tmp_path / "photos" / "wedding.jpg").read_bytes() == b"irreplaceable"
