"""Thresholds whose right value is known: `probability` is darkness, cracks and pavement have one grey each."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from calibration.thresholds import calibrate, write_copy, write_in_place
from fissura.bundle import MANIFEST_NAME, load_bundle
from fissura.dataset import load_dataset
from fissura.errors import DatasetError
from fissura.imaging.images import write_rgb
from tests.calibration.conftest import write_streets


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


def test_in_place_keeps_what_a_newer_version_added(bundle_folder: Path, streets: Path) -> None:
    path = bundle_folder / MANIFEST_NAME
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "schema_version": "1.7", "drone": {"rotors": 4}}))
    bundle = load_bundle(bundle_folder)
    write_in_place(bundle, calibrate(bundle, load_dataset(streets, "train"), 2.0))
    written = json.loads(path.read_text())
    assert written["drone"] == {"rotors": 4}
    assert written["schema_version"] == "1.7"
    assert load_bundle(bundle_folder).graph("fused").threshold == 0.80


def test_data_without_cracks_chooses_nothing(bundle_folder: Path, streets: Path) -> None:
    for mask in (streets / "masks").iterdir():
        write_rgb(mask, np.zeros((21, 26), np.uint8))
    with pytest.raises(DatasetError, match="no crack pixel"):
        calibrate(load_bundle(bundle_folder), load_dataset(streets, "train"), 2.0)
