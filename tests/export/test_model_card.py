"""The model card says what a user must know, in the same bytes each time; licences come along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from export.data_licence import DataLicence
from export.model_card import CARD, CHECKOUT, OUR_LICENCE, DataSource, model_card, sources_of, write_papers
from fissura.bundle import Manifest
from tests.edge_runtime.proven import GATE, PARITY, TOLERANCE
from tests.fissura.conftest import manifest_values

RECIPE: dict[str, Any] = {
    "name": "small",
    "epochs": 3,
    "data": {
        "train": [
            {"kind": "folder", "path": "cfd", "split": "train", "drop": ["042"]},
            {"kind": "synth", "count": 20, "seed": 5, "pavement": {"width": 320}},
        ],
        "batch_size": 4,
        "crop": [160, 160],
    },
    "model": {"segmentation": {"name": "unet", "widths": [8, 16]}, "super_resolution": None},
    "loss": {"name": "wce", "beta": 0.75},
    "optimiser": {"learning_rate": 0.001, "clip_norm": None},
}
RESEARCH = DataLicence(("Licence: for non-commercial research only.",), None, "asphalt, by phone")


@pytest.fixture
def manifest() -> Manifest:
    values = manifest_values({"fused.onnx": b"x", "fused.int8-cpu.onnx": b"y"})
    values["lineage"]["recipe"] = RECIPE
    values["graphs"]["fused"]["variants"] = {
        "int8-cpu": {
            "file": "fused.int8-cpu.onnx",
            "precision": "int8",
            "threshold": 0.39,
            "tolerance": TOLERANCE.model_dump(),
            "parity": PARITY.model_dump(),
            "gate": GATE.model_dump(),
            "restored": ["decoders.3", "encoders.0"],
        }
    }
    values["calibration"] = {
        "fused": {
            "dataset": "cfd",
            "split": "train",
            "fingerprint": "0" * 64,
            "images": 71,
            "tolerance_px": 2,
            "f1": 0.91,
            "precision": 0.9,
            "recall": 0.92,
        }
    }
    return Manifest.model_validate(values)


def test_card_says_what_a_user_must_know(manifest: Manifest) -> None:
    card = model_card(manifest, [DataSource("cfd", ("training", "calibration"), RESEARCH)])
    assert card.startswith("# tiny\n")
    for part in (
        "## What it is for",
        "Do not replace an inspection with it.",
        "**cfd** (training and calibration). It says: “Licence: for non-commercial research only.”",
        "**Some of this data may be used for research only.**",
        "**synthetic pavement** (training)",
        "recipe: `small`, 3 epochs, seed 7",
        "segmentation: unet, widths [8, 16]",
        "images: cfd, list `train`, without 042",
        "images: synthetic pavement, 20 frames, seed 5",
        "loss: wce, beta 0.75",
        "optimiser: learning rate 0.001",
        "| ods_f1 | 0.912 |",
        "| fused | 0.42 | 71 | cfd/train | 0.9100 | 0.9000 | 0.9200 | 2 |",
        "| fused | int8-cpu | 91.23 | +0.17 | 0.5 | ODS F1, points | 46 | cfd/test | 0.39 | 2 |",
        "learnt from `cfd`: asphalt, by phone.",
        "takes frames 2 times smaller",
        "fissura verify BUNDLE",
        "- torch 2.13.0",
    ):
        assert part in card
    assert "super resolution:" not in card
    assert "clip" not in card


def test_licences_are_never_made_up(manifest: Manifest) -> None:
    silent = DataSource("quiet", ("training",), DataLicence((), None))
    absent = DataSource("gone", ("training",), None)
    free = DataSource("open", ("training",), DataLicence(("Licence: MIT.",), None))
    card = model_card(manifest, [silent, absent, free])
    assert "**quiet** (training). It states no licence: nothing is allowed" in card
    assert "**gone** (training). It was not at hand when this bundle was made" in card
    assert "research only" not in card


def test_weights_that_exist_already_are_named(manifest: Manifest) -> None:
    assert "weights that exist already" not in model_card(manifest, [])
    recipe = {**RECIPE, "model": {"segmentation": {"name": "unet16", "weights": "vgg16.pth"}}}
    started = manifest.model_copy(update={"lineage": manifest.lineage.model_copy(update={"recipe": recipe})})
    assert "weights that exist already" in model_card(started, [])


def test_sources_are_found_once_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FISSURA_DATA", str(tmp_path))
    (tmp_path / "cfd" / "images").mkdir(parents=True)
    (tmp_path / "cfd" / "LICENSE").write_text("Licence of cfd\n")
    other = tmp_path / "elsewhere" / "mine"
    other.mkdir(parents=True)
    recipe = {"data": {"train": [{"kind": "folder", "path": "/gone/far/away"}, *RECIPE["data"]["train"]]}}
    sources = sources_of([recipe, RECIPE], {"cfd": tmp_path / "cfd", "mine": other})
    assert [(source.name, source.uses) for source in sources] == [
        ("away", ("training",)),
        ("cfd", ("training", "calibration")),
        ("mine", ("calibration",)),
    ]
    assert sources[0].licence is None
    assert sources[1].licence is not None
    assert sources[1].licence.statements == ("Licence of cfd",)


def test_papers_are_written_and_tell_no_place(manifest: Manifest, tmp_path: Path) -> None:
    licence = tmp_path / "LICENSE"
    licence.write_text("Licence of cfd\n")
    sources = [DataSource("cfd", ("training",), DataLicence(("Licence of cfd",), licence)), DataSource("x", (), None)]
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        write_papers(folder, manifest, sources)
    names = {path.name for path in (tmp_path / "one").iterdir()}
    assert names == {CARD, OUR_LICENCE, "LICENSE-data-cfd.txt"}
    assert (tmp_path / "one" / OUR_LICENCE).read_bytes() == (CHECKOUT / "LICENSE").read_bytes()
    assert (tmp_path / "one" / "LICENSE-data-cfd.txt").read_text() == "Licence of cfd\n"
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert str(tmp_path) not in (tmp_path / "one" / CARD).read_text()
