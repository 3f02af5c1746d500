"""The whole bundle, made by `fissura export`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import edge_runtime.engines.onnxruntime as onnxruntime_engine
from calibration.thresholds import Threshold
from edge_runtime.engines.onnxruntime import OnnxRuntimeEngine
from edge_runtime.golden import check_golden
from edge_runtime.inference import TileOptions, open_inference
from edge_runtime.stages import StageTimes
from export.package import PackageOptions, export_bundle
from export.scoring import open_model
from fissura.bundle import MANIFEST_NAME, load_bundle, read_manifest
from fissura.dataset import load_dataset, read_sample
from fissura.errors import EngineError, ExportError, UsageError
from fissura.files import sha256
from tests.export.conftest import Made, assert_refused, fissura, save_small_checkpoint
from tests.export.test_parity import PooledTo4
from train.checkpoint import load_checkpoint


def test_manifest_tells_everything(made: Made) -> None:
    manifest = made.bundle.manifest
    assert manifest.name == "small"
    assert manifest.scale == 2
    assert manifest.normalisation.mean == (0.45, 0.5, 0.55)
    papers = {"golden.npz", "parity.json", "parity.html", "MODEL_CARD.md", "LICENSE-fissura.txt"}
    assert set(manifest.files) == {"segmentation.onnx", "super_resolution.onnx", "fused.onnx", *papers}
    assert set(manifest.parity) == set(manifest.graphs) == {"segmentation", "super_resolution", "fused"}
    data = load_dataset(made.data, "train")
    assert set(manifest.calibration) == {"segmentation", "fused"}
    for role, calibration in manifest.calibration.items():
        assert calibration.fingerprint == data.fingerprint()
        assert (calibration.dataset, calibration.split, calibration.images) == ("pavement", "train", 6)
        assert calibration.f1 > 0
        threshold = manifest.graphs[role].threshold
        assert threshold is not None
        assert threshold == round(threshold, 2)
    assert manifest.graphs["super_resolution"].threshold is None
    assert all(parity.max_abs <= parity.limit == 1e-4 for parity in manifest.parity.values())
    assert manifest.lineage.dataset_fingerprint == "ab" * 32
    assert {"train.torch", "export.torch", "export.onnx", "export.onnxruntime"} <= set(manifest.lineage.versions)


def test_nothing_of_this_machine_is_in_the_manifest(made: Made) -> None:
    text = (made.bundle.path / MANIFEST_NAME).read_text()
    assert "somebody" not in text
    assert str(made.data.parent) not in text
    assert made.bundle.manifest.lineage.recipe["data"]["train"][0]["path"] == "cracks"


def test_output_is_a_table_and_nothing_else(made: Made) -> None:
    assert made.stderr == ""
    rows = {line.split()[0]: line.split() for line in made.stdout.splitlines()}
    assert set(rows) == {"graph", "segmentation", "super_resolution", "fused", "bundle:"}
    assert rows["fused"][3] == f"{made.bundle.graph('fused').threshold:.2f}"
    assert rows["super_resolution"][3:] == ["-", "-", "-"]


def test_model_without_super_resolution_in_nchw(made: Made, tmp_path: Path) -> None:
    checkpoint = save_small_checkpoint(tmp_path / "run" / "checkpoint", super_resolution=False).parent
    out = tmp_path / "Plain"
    words = ("export", checkpoint, "--out", out, "--calibration-data", made.data, "--layout", "NCHW", "--limit", "2")
    assert_refused(fissura(*words), "a bundle cannot be named 'Plain'")
    done = fissura(*words, "--name", "plain-1", "--golden", "1", "--json")
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    bundle = load_bundle(out)
    assert printed["bundle_id"] == bundle.id
    assert list(bundle.manifest.graphs) == ["segmentation"]
    assert bundle.graph("segmentation").input.layout == "NCHW"
    assert bundle.manifest.scale == 1
    assert bundle.manifest.calibration["segmentation"].images == 2
    scored = fissura("eval", out, made.data, "--json")
    assert scored.returncode == 0, scored.stderr
    assert json.loads(scored.stdout)["mode"] == "segmentation"


def test_graph_that_differs_is_not_written(made: Made, tmp_path: Path) -> None:
    checkpoint = load_checkpoint(save_small_checkpoint(tmp_path / "checkpoint", super_resolution=False))
    checkpoint.model.segmentation, checkpoint.model.stride = PooledTo4(), 8
    with pytest.raises(ExportError, match="graph segmentation differs from PyTorch"):
        export_bundle(checkpoint, tmp_path / "out", load_dataset(made.data, "train"), PackageOptions("small"))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_bundle_is_proven_on_the_vehicle_s_engine(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that computes wrongly must be noticed: by parity, by the golden frames, and in the scores."""

    class Dimmed(OnnxRuntimeEngine):
        def run(self, batch: NDArray[np.uint8], statistics: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
            return super().run(batch, statistics) * np.float32(0.9)

    scored = open_model(made.bundle.path, "fused")
    monkeypatch.setattr(onnxruntime_engine, "OnnxRuntimeEngine", Dimmed)
    checkpoint = load_checkpoint(made.checkpoint)
    with pytest.raises(ExportError, match="graph segmentation differs from PyTorch"):
        export_bundle(checkpoint, tmp_path / "out", load_dataset(made.data, "train"), PackageOptions("small"))
    with pytest.raises(EngineError, match=r"golden frames: graph \w+ \(fp32\) differs by"):
        check_golden(made.bundle)
    frame = np.random.default_rng(0).integers(0, 256, (20, 24, 3), np.uint8)
    dimmed = open_model(made.bundle.path, "fused").probability(frame)
    np.testing.assert_allclose(dimmed, scored.probability(frame) * np.float32(0.9), atol=1e-6)


def test_bad_input(made: Made, tmp_path: Path) -> None:
    out = tmp_path / "out"
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("ten years of work")
    damaged = tmp_path / "damaged"
    save_small_checkpoint(damaged)
    weights = damaged / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    data = ("--calibration-data", made.data)
    assert_refused(fissura("export", tmp_path / "none", "--out", out, *data), "is no checkpoint")
    assert_refused(fissura("export", damaged, "--out", out, *data), "is damaged")
    assert_refused(fissura("export", made.checkpoint, "--out", out, "--calibration-data", "cfdd"), "no data set 'cfdd'")
    assert_refused(fissura("export", made.checkpoint, "--out", out, *data, "--split", "empty"), "is empty")
    assert_refused(fissura("export", made.checkpoint, "--out", out, *data, "--name", "../up"), "cannot be named")
    assert_refused(fissura("export", made.checkpoint, "--out", precious, *data), "exists already", "--force")
    assert_refused(fissura("export", made.checkpoint, "--out", precious, *data, "--force"), "is no bundle")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged", "precious"]
    assert (precious / "thesis.txt").exists()


def test_force_replaces_a_bundle(made: Made, tmp_path: Path) -> None:
    data = replace(load_dataset(made.data, "train"), samples=load_dataset(made.data, "train").samples[:1])
    checkpoint = load_checkpoint(save_small_checkpoint(tmp_path / "checkpoint", super_resolution=False))
    out = tmp_path / "b"
    first = export_bundle(checkpoint, out, data, PackageOptions("first", golden_frames=1))
    (out / "leftover").write_text("of the first")
    second = export_bundle(checkpoint, out, data, PackageOptions("second", golden_frames=1, force=True))
    assert read_manifest(out).name == "second"
    assert second.id != first.id
    assert not (out / "leftover").exists()
    assert sha256(out / MANIFEST_NAME) == second.id


def test_a_bundle_with_a_cheap_pass_runs_the_cascade(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Random networks agree on no crack; how thresholds are chosen is tested with the calibration.
    chosen = Threshold(0.5, made.bundle.manifest.calibration["fused"])
    monkeypatch.setattr("export.package.choose_proposal", lambda *words: (chosen, 0.1))
    data, checkpoint = load_dataset(made.data, "train"), load_checkpoint(made.checkpoint)
    cheap = load_checkpoint(save_small_checkpoint(tmp_path / "cheap", super_resolution=False))
    with pytest.raises(UsageError, match="cannot propose"):
        export_bundle(checkpoint, tmp_path / "out", data, PackageOptions("small"), checkpoint)
    assert not (tmp_path / "out").exists()
    bundle = export_bundle(checkpoint, tmp_path / "out", data, PackageOptions("small", golden_frames=1), cheap)
    graphs = bundle.manifest.graphs
    assert set(graphs) == {"segmentation", "super_resolution", "fused", "tile", "proposal"}
    assert graphs["tile"].threshold == graphs["fused"].threshold
    assert graphs["tile"].halo == graphs["fused"].halo
    assert (graphs["proposal"].threshold, graphs["proposal"].proposal_threshold) == (0.5, 0.1)
    assert bundle.manifest.proposal_lineage is not None
    assert {role for role, _ in check_golden(bundle)} == set(graphs)
    image = read_sample(data.samples[0])[0]
    whole, cascade = (
        open_inference(bundle, mode, "onnxruntime", {"threads": 1}, TileOptions(**options))  # type: ignore[arg-type]
        for mode, options in (("full", {}), ("cascade", {"halo": graphs["tile"].halo, "proposal_threshold": 1e-6}))
    )
    expected = whole.run(image, StageTimes()).copy()
    np.testing.assert_allclose(cascade.run(image, StageTimes()), expected, atol=1e-4)  # every tile is proposed
