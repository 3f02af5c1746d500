"""The benchmark of the cascade from end to end, on a bundle of tiny graphs and a clip of two frames."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fissura.bundle import Graph, Role, load_bundle
from fissura.imaging.images import write_rgb
from fissura.synth import SynthConfig, render
from tests.bundles import make_bundle, write_manifest


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its tile graph is the fused one, its proposal the segmentation."""
    folder = make_bundle(tmp_path_factory.mktemp("bundle"), roles=("fused", "segmentation"))
    graphs = load_bundle(folder).manifest.graphs
    whole, cheap = graphs["fused"], graphs["segmentation"]
    more: dict[Role, Graph] = {
        "tile": whole.model_copy(update={"halo": 16}),
        "proposal": cheap.model_copy(update={"proposal_threshold": 0.05}),
    }
    write_manifest(folder, graphs | more)
    return folder


@pytest.fixture(scope="module")
def clip(cascade: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two frames of synthetic pavement, 128 x 96, with the files that `clips.py` writes."""
    folder = tmp_path_factory.mktemp("clips") / "cracks-10"
    facts = {"width_px": 128, "height_px": 96, "scale": 2, "tile_px": 32, "kernel": "area", "seed": 0, "lists": []}
    records = []
    for index in range(2):
        scene = render(SynthConfig(width=256, height=192), 0, index)
        frame, truth = cascade.clips.frame_of(scene.image, scene.mask, 2)
        for part, pixels in (("frames", frame), ("truth", truth.astype(np.uint8) * 255)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            write_rgb(folder / part / f"{index}.png", pixels)
        records.append({"name": f"{index}.png", "share": 0.1})
    facts |= {"target_share": 0.1, "mean_share": 0.1, "frames": records}
    (folder / "clip.json").write_text(json.dumps(facts))
    return folder


def test_runs_every_variant_and_writes_what_it_found(
    cascade: Any, bundle: Path, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (
        "--rounds",
        "1",
        "--tile",
        "32",
        "--thresholds",
        "0.2",
        "--halo",
        "16",
        "--halos",
        "4",
        "--budgets",
        "0.01",
        "50",
    )
    monkeypatch.setattr(sys, "argv", ["run.py", str(bundle), str(clip), *words, "--out", str(tmp_path / "out")])
    code = cascade.run.main()
    result = json.loads((tmp_path / "out" / "result.json").read_text())
    assert code == (0 if result["passing"] else 1)
    rows = result["clips"]["cracks-10"]["summary"]
    assert [row["mode"] for row in rows] == ["full", "lr-only", *["cascade"] * 5]
    full, low, own, high, narrow, hurried, leisurely = rows
    assert (full["time_of_full"], full["against_full"]["f1"]) == (1, 1)
    assert low["tiles"] is None
    assert (own["proposal_threshold"], own["halo"]) == (0.05, 16)
    assert own["tiles"]["total"] == 12
    assert own["tiles"]["proposed"] >= high["tiles"]["proposed"] > 0
    assert own["tiles"]["left_out"] == leisurely["tiles"]["left_out"] == 0
    assert hurried["tiles"]["refined"] == 0 < hurried["tiles"]["left_out"]
    assert narrow["halo"] == 4
    assert own["against_full"]["recall"] >= hurried["against_full"]["recall"]
    assert {run["frame"] for run in result["clips"]["cracks-10"]["runs"]} == {"0.png", "1.png"}
    for name in ("README.md", "recall-over-time.png", "recall-over-budget.png"):
        assert (tmp_path / "out" / name).is_file()
    assert str(tmp_path) not in (tmp_path / "out" / "result.json").read_text()


def test_a_clip_of_another_scale_is_refused(
    cascade: Any,
    bundle: Path,
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    other = tmp_path / "clip"
    other.mkdir()
    for part in ("frames", "truth"):
        (other / part).symlink_to(clip / part)
    facts = json.loads((clip / "clip.json").read_text())
    (other / "clip.json").write_text(json.dumps(facts | {"scale": 4}))
    monkeypatch.setattr(sys, "argv", ["run.py", str(bundle), str(other), "--out", str(tmp_path / "out")])
    assert cascade.run.main() == 2
    assert "clip clip has scale 4" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("budget_ms", "kept"), [("60000", True), ("0.01", False)])
def test_deadline(
    cascade: Any,
    bundle: Path,
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    budget_ms: str,
    kept: bool,
) -> None:
    out = tmp_path / "deadline.json"
    words = ("--budget-ms", budget_ms, "--seconds", "0.5", "--out", str(out))
    monkeypatch.setattr(sys, "argv", ["deadline.py", str(bundle), str(clip), *words])
    assert cascade.deadline.main() == (0 if kept else 1)
    result = json.loads(out.read_text())
    assert result["kept"] is kept
    assert result["frames"] > 0
    assert set(result["drops"]) <= {"stopped"}
    assert (result["tile_px"], result["halo_px"], result["proposal_threshold"]) == (64, 16, 0.05)
    assert (result["tiles_left_out"] == 0) is kept
    assert result["tiles_proposed"] > 0
