"""`fissura eval`: checkpoint and bundle agree, the protocol is the one of `fissura.metrics.ods`, errors are clear."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.scoring import evaluate, open_model
from fissura.dataset import load_dataset, read_sample
from fissura.errors import CheckpointError
from fissura.imaging.images import read_rgb
from fissura.imaging.resample import frame_of
from fissura.metrics.ods import OdsAccumulator
from tests.export.conftest import Made, assert_refused, fissura, save_small_checkpoint, small_model
from train.predict import Mode, predict

FIGURES = ("f1", "precision", "recall", "threshold", "ois_f1", "iou")


def scored(*words: str | Path) -> dict[str, Any]:
    done = fissura("eval", *words, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def test_checkpoint_and_bundle_agree(made: Made) -> None:
    for words in ([], ["--mode", "segmentation"]):
        of_checkpoint = scored(made.checkpoint, made.data, *words)
        of_bundle = scored(made.bundle.path, made.data, *words)
        for figure in FIGURES:
            assert of_bundle[figure] == pytest.approx(of_checkpoint[figure], abs=1e-4), figure
        assert of_checkpoint["mode"] == of_bundle["mode"] == (words[-1] if words else "fused")
        assert of_checkpoint["images"] == 3
        assert of_checkpoint["at_bundle_threshold"] is None
        shipped = of_bundle["at_bundle_threshold"]
        assert shipped["threshold"] == made.bundle.graph(of_bundle["mode"]).threshold
        assert 0 < shipped["f1"] <= of_bundle["f1"] + 1e-12


@pytest.mark.parametrize("mode", ["fused", "segmentation"])
def test_figures_are_those_of_the_protocol(made: Made, mode: Mode) -> None:
    data = load_dataset(made.data, "test")
    scores = OdsAccumulator(1.0)
    for sample in data.samples:
        frame, truth = frame_of(*read_sample(sample), 2 if mode == "fused" else 1)
        scores.add(predict(small_model(), frame, mode), truth)
    found = evaluate(open_model(made.checkpoint, mode), data, 1.0)
    assert found.scores == scores.result()


def test_shipped_threshold_on_the_calibration_list_gives_the_calibrated_scores(made: Made) -> None:
    found = evaluate(open_model(made.bundle.path, "fused"), load_dataset(made.data, "train"), 2.0)
    calibration = made.bundle.manifest.calibration["fused"]
    assert found.at_bundle_threshold is not None
    assert found.at_bundle_threshold.f1 == pytest.approx(calibration.f1, abs=1e-12)
    assert found.scores.f1 == pytest.approx(calibration.f1, abs=1e-12)


def test_table_says_what_was_scored(made: Made) -> None:
    done = fissura("eval", made.bundle.path, made.data, "--limit", "2", "--tolerance", "0")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "2 images of pavement/test" in done.stdout
    assert "mode fused: frames are images averaged over 2x2 pixels; scores at the images' resolution" in done.stdout
    assert "protocol ods, tolerance 0 px" in done.stdout
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line}
    assert all(len(rows[figure]) == 2 for figure in FIGURES)
    assert 0 <= float(rows["f1"][1]) <= float(rows["f1"][0]) <= 1


def test_overlays(made: Made, tmp_path: Path) -> None:
    data = load_dataset(made.data, "test")
    left_out = data.samples[0].id
    figures = scored(made.checkpoint, made.data, "--out", tmp_path / "pictures", "--drop", left_out)
    assert figures["images"] == 2
    pictures = sorted((tmp_path / "pictures").iterdir())
    assert [picture.stem for picture in pictures] == [sample.id for sample in data.samples[1:]]
    for picture in pictures:
        pixels = read_rgb(picture)
        assert pixels.shape == (74, 102, 3)  # the part of 75x102 that fills whole 2x2 blocks
        painted = (pixels == (0, 200, 0)).all(axis=2).sum() + (pixels == (230, 0, 0)).all(axis=2).sum()
        assert painted > 0


def test_bad_input(made: Made, tmp_path: Path) -> None:
    no_masks = tmp_path / "no-masks"
    shutil.copytree(made.data, no_masks)
    shutil.rmtree(no_masks / "masks")
    forged = tmp_path / "forged"
    shutil.copytree(made.bundle.path, forged)
    graph = forged / "fused.onnx"
    content = bytearray(graph.read_bytes())
    content[-50] ^= 1
    graph.write_bytes(content)
    model, data = made.checkpoint, made.data
    assert_refused(fissura("eval", tmp_path / "none", data), "there is no", "checkpoint or run folder")
    assert_refused(fissura("eval", made.data, data), "is no model")
    assert_refused(fissura("eval", forged, data), "fused.onnx is not the file that was exported")
    assert_refused(fissura("eval", model, no_masks), "has no mask")
    assert_refused(fissura("eval", model, data, "--split", "empty"), "is empty")
    assert_refused(fissura("eval", model, data, "--split", "val"), "has no split 'val'")
    assert_refused(fissura("eval", model, tmp_path), "holds no images")
    assert_refused(fissura("eval", model, data, "--protocol", "odss"), "no protocol 'odss'", "did you mean 'ods'?")
    assert_refused(fissura("eval", model, data, "--mode", "fast"), "invalid choice")
    assert_refused(fissura("eval", model, data, "--tolerance", "-1"), "expected a number of pixels")


def test_mode_that_the_model_lacks(tmp_path: Path) -> None:
    checkpoint = save_small_checkpoint(tmp_path / "plain", super_resolution=False)
    with pytest.raises(CheckpointError, match="no super-resolution"):
        open_model(checkpoint, "fused")
    assert open_model(checkpoint, None).mode == "segmentation"


def test_frame_of_cuts_what_fills_no_block() -> None:
    image = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    mask = np.ones((5, 7), bool)
    frame, truth = frame_of(image, mask, 2)
    assert (frame.shape, truth.shape) == ((2, 3, 3), (4, 6))
    assert frame[0, 0, 0] == round(image[:2, :2, 0].mean())
    same, whole = frame_of(image, mask, 1)
    assert np.array_equal(same, image)
    assert whole.shape == (5, 7)
