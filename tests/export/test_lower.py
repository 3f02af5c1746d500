"""Bundles with graphs at lower precision, as `fissura export --precision` makes them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from calibration.sample import choose_images
from edge_runtime.golden import check_golden
from edge_runtime.inference import open_inference
from edge_runtime.stages import StageTimes
from export.gate import Limits
from export.judge import CrackJudge, ImageJudge
from export.lower import LowerOptions, gate_record, lower
from export.onnx import export_graph
from export.pavement import pavement
from fissura.bundle import Bundle, load_bundle
from fissura.dataset import load_dataset
from fissura.errors import BundleError, DatasetError
from fissura.files import sha256
from tests.export.conftest import Made, assert_refused, fissura, save_small_checkpoint, small_model
from train.checkpoint import load_checkpoint

CRACK_ROLES = ("segmentation", "fused")


@dataclass(frozen=True)
class Exported:
    bundle: Bundle
    stdout: str


@pytest.fixture(scope="module")
def lowered(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    folder = tmp_path_factory.mktemp("lowered")
    words = ("--calibration-data", made.data, "--golden", "1", "--precision", "fp16", "int8", "--max-drop", "20")
    done = fissura("export", made.checkpoint, "--out", folder / "small", *words)
    assert done.returncode == 0, done.stderr
    return Exported(load_bundle(folder / "small"), done.stdout)


def test_every_crack_graph_has_every_precision(lowered: Exported) -> None:
    bundle, manifest = lowered.bundle, lowered.bundle.manifest
    for role in CRACK_ROLES:
        graph = manifest.graphs[role]  # type: ignore[index]  # two of the roles
        assert set(graph.variants) == {"fp16", "int8-portable", "int8-cpu"}
        for name, variant in graph.variants.items():
            assert variant.file == f"{role}.{name}.onnx"
            assert variant.threshold is not None
            assert variant.gate.metric == "ods_f1"
            assert variant.gate.drop <= variant.gate.max_drop == 20
            assert variant.gate.images == 3, "what the ranges left of the list"
            assert variant.parity.mask_iou is not None
            assert variant.parity.limit is None
            assert (bundle.path / variant.file).stat().st_size > 0
    for variant in manifest.graphs["super_resolution"].variants.values():
        assert (variant.gate.metric, variant.threshold) == ("psnr_db", None)
        assert variant.gate.drop <= variant.gate.max_drop == 0.1
    assert "int8-cpu" in lowered.stdout
    check_golden(bundle)


def test_ranges_and_their_images_are_kept(lowered: Exported, made: Made) -> None:
    manifest = lowered.bundle.manifest
    assert manifest.ranges == "ranges.json"
    document = json.loads((lowered.bundle.path / "ranges.json").read_text())
    chosen = choose_images(load_dataset(made.data, "train"), 3)
    assert document["images"] == [{"id": sample.id, "sha256": sha256(sample.image)} for sample in chosen]
    table = document["graphs"]["fused"]["int8-portable"]
    assert table["calibrator"] in ("min_max", "entropy", "percentile", "mse")
    assert all(values["low"] <= 0 <= values["high"] for values in table["tensors"].values())
    gate = json.loads((lowered.bundle.path / "gate.json").read_text())
    assert len(gate["segmentation"]["int8-cpu"]["attempts"]) >= 4


def test_the_runtime_takes_a_precision(lowered: Exported) -> None:
    frame, maps = pavement(0, 48, 60), {}
    for precision in (None, "fp16", "int8-portable", "int8-cpu"):
        inference = open_inference(lowered.bundle, None, "onnxruntime", {"threads": 1}, precision=precision)  # type: ignore[arg-type]
        maps[precision] = inference.run(frame, StageTimes()).copy()
        graph = lowered.bundle.graph("fused", precision)  # type: ignore[arg-type]
        assert inference.threshold == graph.threshold
        assert inference.engine.endswith(graph.precision) == (precision is not None)
        inference.close()
    for precision in ("fp16", "int8-portable", "int8-cpu"):
        assert 0 < np.abs(maps[precision] - maps[None]).mean() < 0.05


def test_a_precision_that_is_not_there_is_refused(lowered: Exported, made: Made) -> None:
    with pytest.raises(BundleError, match="has no graph in int8-cpu"):
        open_inference(made.bundle, None, "onnxruntime", {}, precision="int8-cpu")
    done = fissura(
        "run", "--bundle", made.bundle.path, "--source", "synth:?count=1", "--sink", "jsonl:/dev/null",
        "--precision", "fp16",
    )  # fmt: skip
    assert_refused(done, "no graph in fp16", "--precision fp32")


def test_what_the_gate_refuses_is_not_in_the_bundle(made: Made, tmp_path: Path) -> None:
    checkpoint = save_small_checkpoint(tmp_path / "checkpoint", super_resolution=False)
    out = tmp_path / "strict"
    words = ("--calibration-data", made.data, "--golden", "1", "--precision", "int8-cpu", "--max-drop", "1e-9")
    done = fissura("export", checkpoint, "--out", out, *words, "--report", tmp_path / "report")
    bundle = load_bundle(out)
    assert (tmp_path / "report" / "frontier-segmentation.png").is_file()
    variants = bundle.manifest.graphs["segmentation"].variants
    gate = json.loads((out / "gate.json").read_text())["segmentation"]["int8-cpu"]
    if gate["passed"] is None:
        assert done.returncode == 1
        assert "segmentation int8-cpu lost more than the gate allows" in done.stderr
        assert not variants
        assert not (out / "segmentation.int8-cpu.onnx").exists()
        assert bundle.manifest.ranges is None
    else:  # on some processor this network may lose nothing at all
        assert done.returncode == 0
        assert variants["int8-cpu"].gate.drop <= 1e-9


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--max-drop", "0"), "percent points above 0"),
        (("--max-drop", "much"), "percent points above 0"),
        (("--range-images", "0"), "whole number of 1 or more"),
        (("--precision", "fp16", "--validation-data", "nowhere"), "there is no data set 'nowhere'"),
        (("--validation-data", "cfd"), "--validation-data without --precision"),
        (("--report", "elsewhere"), "--report without --precision"),
        (("--precision", "int4"), "invalid choice"),
    ],
)
def test_bad_words(made: Made, tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    done = fissura("export", made.checkpoint, "--out", tmp_path / "b", "--calibration-data", made.data, *words)
    assert_refused(done, message)
    assert not (tmp_path / "b").exists()


def test_a_report_that_the_bundle_would_replace_is_refused(made: Made, tmp_path: Path) -> None:
    out = tmp_path / "b"
    words = ("--calibration-data", made.data, "--precision", "fp16", "--report", out / "report")
    assert_refused(fissura("export", made.checkpoint, "--out", out, *words), "lies in the bundle")


def test_one_image_is_too_few(made: Made) -> None:
    graph = export_graph(small_model(super_resolution=False), "segmentation")
    dataset = load_dataset(made.data, "train")
    few = type(dataset)(dataset.root, "one", dataset.samples[:1])
    with pytest.raises(DatasetError, match="two or more"):
        lower([graph], few, LowerOptions(("int8-cpu",)), scale=1, tolerance_px=2, kernel="area")


@pytest.fixture(scope="module")
def graphs(made: Made) -> Iterator[dict[str, object]]:
    model = load_checkpoint(made.checkpoint).model
    yield {role: export_graph(model, role) for role in ("segmentation", "super_resolution")}


def test_judges_find_no_difference_to_itself(made: Made, graphs: dict[str, object]) -> None:
    dataset = load_dataset(made.data, "test")
    for judge, role in (
        (CrackJudge(graphs["segmentation"], dataset, 2, "area", 1), "segmentation"),  # type: ignore[arg-type]
        (ImageJudge(graphs["super_resolution"], dataset, "area"), "super_resolution"),  # type: ignore[arg-type]
    ):
        verdict = judge.verdict(graphs[role])  # type: ignore[arg-type]
        assert verdict.drop == 0
        assert verdict.mean_abs < 1e-3, "originals are remembered in 16 bits"
        assert judge.difference(graphs[role], 2) < 1e-3  # type: ignore[arg-type]
        assert judge.images == 3


def test_a_proposal_is_judged_and_recorded_in_pixels_of_its_own_map(made: Made) -> None:
    """Its map has the frame's resolution: half as many pixels of the same road lie within the tolerance."""
    graph = export_graph(small_model(super_resolution=False), "proposal")
    data, options = load_dataset(made.data, "train"), LowerOptions(("fp16",), limits=Limits(90))
    found = lower([graph], data, options, scale=2, tolerance_px=2, kernel="area")
    trial = found.trials["proposal"][0]
    assert trial.tolerance_px == gate_record(trial, found.validation).tolerance_px == 1
