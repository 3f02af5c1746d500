"""`fissura bench engines` with TensorRT, whose plans are made for a largest frame."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_runtime.bench_engines import comparison
from fissura.cli import main
from fissura.imaging.images import write_rgb
from tests.edge_runtime.conftest import HEIGHT, WIDTH, pavement
from tests.edge_runtime.proven import make_proven_bundle


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two images, one of them wider and one higher."""
    for name, (width, height) in {"wide": (WIDTH, 40), "high": (64, HEIGHT)}.items():
        image = pavement(width=width, height=height)
        write_rgb(tmp_path / "data" / "images" / f"{name}.png", image)
        mask = np.where(image.mean(axis=2) < 80, 255, 0).astype(np.uint8)
        write_rgb(tmp_path / "data" / "masks" / f"{name}.png", mask)
    (tmp_path / "data" / "test.txt").write_text("wide\nhigh\n")
    return tmp_path / "data"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where plans lie; memory is not measured, since no other process has the stand-in for TensorRT."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(comparison, "peak_memory_mb", lambda *_: 1.0)
    return tmp_path / "fissura" / "tensorrt"


def keys_of(cache: Path) -> list[dict[str, str]]:
    """What the plans there were built for."""
    return [json.loads(plan.with_suffix(".json").read_text())["key"] for plan in cache.glob("*.plan")]


@pytest.mark.usefixtures("vendor")
@pytest.mark.parametrize(
    ("against", "mode", "profile"),
    [
        ("golden frames", "segmentation", ["1x72x96x3"]),
        ("data", "segmentation", ["1x72x96x3"]),
        ("data", "fused", ["1x40x48x3"]),
        ("data", "sr+segmentation", ["1x40x48x3", "1x72x96x3"]),
    ],
)
def test_frames_larger_than_the_camera(
    cache: Path,
    tmp_path: Path,
    data: Path,
    against: str,
    mode: str,
    profile: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    roles = {"fused": ("fused",), "segmentation": ("segmentation",)}.get(mode, ("super_resolution", "segmentation"))
    bundle = make_proven_bundle(tmp_path / "bundle", roles=roles, variants=())  # type: ignore[arg-type]
    words = ["bench", "engines", str(bundle), "--engines", "tensorrt", "--mode", mode, "--size", "48x32", "--json"]
    assert main([*words, "--rounds", "1", *(["--data", str(data)] if against == "data" else [])]) == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["rows"]
    row = next(row for row in rows if row["engine"] == "tensorrt")
    assert row["reason"] == "" and row["passed"] is True
    assert sorted(key["profile"].split()[-1] for key in keys_of(cache)) == profile


@pytest.mark.usefixtures("vendor")
@pytest.mark.parametrize(
    "command",
    [["bench", "engines", "--rounds", "1", "--mode", "fused"], ["verify", "--frames", "1"]],
    ids=lambda words: words[0],
)
def test_options_reach_the_engine_that_they_are_of(
    cache: Path, tmp_path: Path, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = make_proven_bundle(tmp_path / "bundle", roles=("fused",), variants=())
    words = [*command, str(bundle), "--engines", "tensorrt", "--size", "48x32", "--json"]
    words += ["--engine-option", "tensorrt.optimization_level=1", "--engine-option", "tensorrt.tactic_sources=[]"]
    assert main(words) == 0
    stated = json.loads(capsys.readouterr().out)["engine_options"]
    assert stated == {"tensorrt": {"optimization_level": 1, "tactic_sources": []}}
    assert {key["settings"] for key in keys_of(cache)} == {"sources, level 1"}
    assert main([*words, "--engine-option", "openvino.precision=bf16"]) == 2
    assert "openvino.precision is of an engine that does not run here" in capsys.readouterr().err
