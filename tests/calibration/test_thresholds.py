"""Thresholds whose right value is known: `probability` is darkness, cracks and pavement have one grey each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from calibration.graphs import CalibrationOptions
from calibration.graphs import calibrate as calibrate_graphs
from calibration.thresholds import Threshold, choose_threshold, write_copy
from fissura.bundle import MANIFEST_NAME, Bundle, Role, VariantName, load_bundle
from fissura.dataset import Dataset, load_dataset
from fissura.errors import DatasetError, ManifestError
from fissura.imaging.images import RgbImage, write_rgb
from tests.calibration.conftest import SCALES, write_darkness_bundle, write_streets


def calibrate(bundle: Bundle, dataset: Dataset, tolerance_px: float) -> dict[Role, Threshold]:
    outcomes = calibrate_graphs(bundle, dataset, CalibrationOptions(tolerance_px))
    return {role: outcome.threshold for role, outcome in outcomes.graphs.items()}


def test_threshold_lies_between_pavement_and_crack(bundle_folder: Path, streets: Path) -> None:
    thresholds = calibrate(load_bundle(bundle_folder), load_dataset(streets, "train"), 2.0)
    assert set(thresholds) == {"segmentation", "fused"}
    for threshold in thresholds.values():
        # Darkness 0.2157 (grey 200) and 0.8039 (grey 50): all between are equal, the highest is taken.
        assert threshold.value == 0.80
        assert threshold.record.f1 == threshold.record.precision == threshold.record.recall == 1.0
        assert threshold.record.images == 3
        assert threshold.record.fingerprint == load_dataset(streets, "train").fingerprint()


def test_tolerance_is_used(bundle_folder: Path, streets: Path, tmp_path: Path) -> None:
    shifted = tmp_path / "shifted"
    write_streets(shifted)
    for index in range(2):  # masks two pixels to the right of the cracks
        (shifted / "masks" / f"{index}.png").write_bytes((streets / "masks" / f"{index + 1}.png").read_bytes())
    data = load_dataset(shifted, "train", drop=("2",))
    bundle = load_bundle(bundle_folder)
    assert calibrate(bundle, data, 2.0)["segmentation"].record.f1 == 1.0
    assert calibrate(bundle, data, 0.0)["segmentation"].record.f1 == 0.5


def test_copy_has_the_new_thresholds_and_the_bundle_the_old(bundle_folder: Path, streets: Path, tmp_path: Path) -> None:
    bundle = load_bundle(bundle_folder)
    write_copy(bundle, calibrate(bundle, load_dataset(streets, "train"), 2.0), tmp_path / "new")
    new, old = load_bundle(tmp_path / "new"), load_bundle(bundle_folder)
    assert [graph.threshold for graph in new.manifest.graphs.values()] == [0.80, 0.80]
    assert new.manifest.calibration["fused"].dataset == "streets"
    assert [graph.threshold for graph in old.manifest.graphs.values()] == [0.50, 0.50]
    assert new.id != old.id
    assert old.id == bundle.id


def test_any_callable_can_be_calibrated(streets: Path) -> None:
    def darkness(frame: RgbImage) -> NDArray[np.float32]:
        dark = 1 - frame.mean(axis=2, dtype=np.float32) / 255
        return dark.repeat(2, axis=0).repeat(2, axis=1)

    threshold = choose_threshold(darkness, 2, "fused", load_dataset(streets, "train"), 2.0)
    assert (threshold.value, threshold.record.f1) == (0.80, 1.0)


def test_copy_holds_what_the_manifest_lists_and_nothing_else(
    bundle_folder: Path, streets: Path, tmp_path: Path
) -> None:
    path = bundle_folder / MANIFEST_NAME
    document = json.loads(path.read_text())
    (bundle_folder / "graphs").mkdir()
    (bundle_folder / "fused.onnx").rename(bundle_folder / "graphs" / "fused.onnx")
    document["files"]["graphs/fused.onnx"] = document["files"].pop("fused.onnx")
    document["graphs"]["fused"]["file"] = "graphs/fused.onnx"
    path.write_text(json.dumps(document))
    (bundle_folder / "secret.key").write_text("not of the bundle")
    bundle = load_bundle(bundle_folder)
    write_copy(bundle, calibrate(bundle, load_dataset(streets, "train"), 2.0), tmp_path / "new")
    copied = {file.relative_to(tmp_path / "new").as_posix() for file in (tmp_path / "new").rglob("*") if file.is_file()}
    assert copied == {MANIFEST_NAME, "segmentation.onnx", "graphs/fused.onnx"}
    assert load_bundle(tmp_path / "new").graph("fused").threshold == 0.80


def test_copy_keeps_what_a_newer_version_added(bundle_folder: Path, streets: Path, tmp_path: Path) -> None:
    path = bundle_folder / MANIFEST_NAME
    document = json.loads(path.read_text())
    document["graphs"]["depth"] = {"file": "depth.onnx"}
    path.write_text(json.dumps({**document, "schema_version": "1.7", "drone": {"rotors": 4}}))
    bundle = load_bundle(bundle_folder)
    write_copy(bundle, calibrate(bundle, load_dataset(streets, "train"), 2.0), tmp_path / "new")
    written = json.loads((tmp_path / "new" / MANIFEST_NAME).read_text())
    assert written["drone"] == {"rotors": 4}
    assert written["graphs"]["depth"] == {"file": "depth.onnx"}
    assert written["schema_version"] == "1.7"
    assert load_bundle(tmp_path / "new").graph("fused").threshold == 0.80


def test_copy_takes_up_hysteresis_and_temperature_and_lets_go_of_hysteresis(
    bundle_folder: Path, streets: Path, tmp_path: Path
) -> None:
    bundle = load_bundle(bundle_folder)
    record = calibrate(bundle, load_dataset(streets, "train"), 2.0)["fused"].record
    write_copy(bundle, {"fused": Threshold(0.8, record, low=0.3, temperature=1.7)}, tmp_path / "both")
    both = load_bundle(tmp_path / "both")
    fused = both.graph("fused")
    assert (fused.threshold, fused.low_threshold, fused.temperature) == (0.8, 0.3, 1.7)
    write_copy(both, {"fused": Threshold(0.2, record)}, tmp_path / "alone")  # below the low threshold that was
    fused = load_bundle(tmp_path / "alone").graph("fused")
    assert (fused.threshold, fused.low_threshold, fused.temperature) == (0.2, None, 1.7)
    with pytest.raises(ManifestError, match="low_threshold"):
        write_copy(bundle, {"fused": Threshold(0.2, record, low=0.3)}, tmp_path / "wrong")
    assert not (tmp_path / "wrong").exists()


def test_copy_forgets_what_was_true_at_the_old_thresholds_alone(tmp_path: Path, streets: Path) -> None:
    old = load_bundle(write_darkness_bundle(tmp_path / "old", SCALES, {"int8-cpu": 0.5, "fp16": 1.0}))
    record = calibrate(old, load_dataset(streets, "train"), 2.0)["fused"].record
    write_copy(
        old, {"fused": Threshold(0.8, record)}, tmp_path / "new", {("fused", "int8-cpu"): Threshold(0.4, record)}
    )
    new = load_bundle(tmp_path / "new").manifest
    assert (new.parity["fused"].mask_iou, new.parity["segmentation"].mask_iou) == (None, 0.97)
    assert new.parity["fused"].max_abs == old.manifest.parity["fused"].max_abs
    kept = {
        role: {name: one.parity.mask_iou for name, one in graph.variants.items()} for role, graph in new.graphs.items()
    }
    assert kept["fused"] == {"int8-cpu": None, "fp16": 0.97} and set(kept["segmentation"].values()) == {0.97}
    write_copy(old, {"fused": Threshold(0.5, record)}, tmp_path / "same")
    assert load_bundle(tmp_path / "same").manifest.parity["fused"].mask_iou == 0.97, "its threshold is the same"


def test_a_variant_under_another_low_threshold_loses_the_record_of_the_old_one(tmp_path: Path, streets: Path) -> None:
    bundle = load_bundle(write_darkness_bundle(tmp_path / "old", {"segmentation": 1}, {"int8-cpu": 0.5, "fp16": 1.0}))
    record = calibrate(bundle, load_dataset(streets, "train"), 2.0)["segmentation"].record
    names: tuple[VariantName, ...] = ("int8-cpu", "fp16")
    both = {("segmentation", name): Threshold(0.45, record) for name in names}
    write_copy(bundle, {}, tmp_path / "both", both)  # type: ignore[arg-type]
    both_chosen = load_bundle(tmp_path / "both")
    assert all(one.calibration == record for one in both_chosen.graph("segmentation").variants.values())
    low = {"segmentation": Threshold(0.8, record, low=0.3)}
    write_copy(both_chosen, low, tmp_path / "low", {("segmentation", "fp16"): Threshold(0.5, record, low=0.3)})  # type: ignore[arg-type]
    variants = load_bundle(tmp_path / "low").graph("segmentation").variants
    assert (variants["fp16"].calibration, variants["int8-cpu"].calibration) == (record, None)
    assert {one.parity.mask_iou for one in variants.values()} == {None}


def test_data_without_cracks_chooses_nothing(bundle_folder: Path, streets: Path) -> None:
    for mask in (streets / "masks").iterdir():
        write_rgb(mask, np.zeros((21, 26), np.uint8))
    with pytest.raises(DatasetError, match="no crack pixel"):
        calibrate(load_bundle(bundle_folder), load_dataset(streets, "train"), 2.0)
