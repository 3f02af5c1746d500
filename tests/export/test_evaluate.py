"""`fissura eval`: checkpoint and bundle agree, the protocol is the one of `fissura.metrics.ods`, errors are clear."""

from __future__ import annotations

import io
import json
import shutil
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.scoring import evaluate, open_model
from fissura.cli import main
from fissura.dataset import load_dataset, read_sample
from fissura.errors import CheckpointError, UsageError
from fissura.imaging.images import read_rgb
from fissura.imaging.resample import frame_of
from fissura.metrics import PROTOCOLS
from fissura.metrics.ods import Ods
from fissura.metrics.pooled import Pooled
from tests.export.conftest import Made, assert_refused, fissura, save_small_checkpoint, small_model
from train.predict import Mode, predict

FIGURES = ("f1", "precision", "recall", "threshold", "ois_f1", "iou")


def run(*words: str | Path) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `fissura eval`, in this process: importing PyTorch anew takes seconds."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(["eval", *map(str, words)])
    return code, out.getvalue(), err.getvalue()


def scored(*words: str | Path) -> dict[str, Any]:
    code, out, err = run(*words, "--json")
    assert (code, err) == (0, "")
    figures: dict[str, Any] = json.loads(out)
    return figures


def refuses(words: tuple[str | Path, ...], *messages: str) -> None:
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    for message in messages:
        assert message in err


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
    protocols = {"ods": Ods(1.0), "pooled": Pooled()}
    expected = {"ods": Ods(1.0), "pooled": Pooled()}
    for sample in data.samples:
        frame, truth = frame_of(*read_sample(sample), 2 if mode == "fused" else 1)
        for protocol in expected.values():
            protocol.add(predict(small_model(), frame, mode), truth)
    found = evaluate(open_model(made.checkpoint, mode), data, protocols)
    assert {name: evaluation.scores for name, evaluation in found.items()} == {
        name: protocol.scores() for name, protocol in expected.items()
    }


def test_shipped_threshold_on_the_calibration_list_gives_the_calibrated_scores(made: Made) -> None:
    found = evaluate(open_model(made.bundle.path, "fused"), load_dataset(made.data, "train"), {"ods": Ods()})["ods"]
    calibration = made.bundle.manifest.calibration["fused"]
    assert found.at_bundle_threshold is not None
    assert found.at_bundle_threshold["f1"] == pytest.approx(calibration.f1, abs=1e-12)
    assert found.scores["f1"] == pytest.approx(calibration.f1, abs=1e-12)


def test_table_says_what_was_scored(made: Made) -> None:
    done = fissura("eval", made.bundle.path, made.data, "--limit", "2", "--tolerance", "0")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "2 images of pavement/test" in done.stdout
    assert "mode fused: frames are images averaged over 2x2 pixels; scores at the images' resolution" in done.stdout
    assert "protocol ods, tolerance 0 px, disk matching: one threshold" in done.stdout
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line}
    assert all(len(rows[figure]) == 2 for figure in FIGURES)
    assert 0 <= float(rows["f1"][1]) <= float(rows["f1"][0]) <= 1


def test_overlays(made: Made, tmp_path: Path) -> None:
    data = load_dataset(made.data, "test")
    left_out = data.samples[0].id
    figures = scored(made.checkpoint, made.data, "--out", tmp_path / "pictures", "--drop", left_out)
    assert figures["images"] == 2
    pictures = sorted((tmp_path / "pictures").iterdir())
    plot = pictures.pop()
    assert plot.name == "precision-recall.png"
    assert read_rgb(plot).std() > 10
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
    refuses((tmp_path / "none", data), "there is no", "checkpoint or run folder")
    refuses((made.data, data), "is no model")
    refuses((forged, data), "fused.onnx is not the file that was exported")
    refuses((model, no_masks), "has no mask")
    refuses((model, data, "--split", "empty"), "is empty")
    refuses((model, data, "--split", "val"), "has no split 'val'")
    refuses((model, tmp_path), "holds no images")
    refuses((model, data, "--protocol", "odss"), "no protocol 'odss'", "did you mean 'ods'?")
    refuses((model, data, "--labels", "outlines"), "no labels 'outlines'")
    refuses((model,), "a model and a data set are needed")
    refuses(("baseline:cany", data), "cany")
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


def test_all_protocols_at_once(made: Made) -> None:
    figures = scored(made.bundle.path, made.data, "--protocol", "all")
    expected = set(PROTOCOLS) - {"crack_free", "boundaries"} | {"super_resolution"}  # no such images, no such labels
    assert set(figures["protocols"]) == expected
    alone = scored(made.bundle.path, made.data, "--protocol", "cl_iou")
    of_all = figures["protocols"]["cl_iou"]
    assert {key: alone[key] for key in of_all} == of_all
    assert (alone["tolerance_px"], alone["threshold"], alone["protocol"]) == (4.0, 0.5, "cl_iou")
    assert set(alone["at_bundle_threshold"]) == {"threshold", "cl_iou"}
    _, out, _ = run(made.checkpoint, made.data, "--protocol", "all", "--limit", "1", "--mode", "segmentation")
    assert "left out, since they do not apply: boundaries, crack_free" in out


def test_protocol_with_its_options(made: Made) -> None:
    words = ("--protocol", "ods", "--tolerance", "1", "--matching", "one_to_one", "--thinned")
    figures = scored(made.checkpoint, made.data, *words)
    protocol = Ods(1.0, "one_to_one", True)
    evaluate(open_model(made.checkpoint, None), load_dataset(made.data, "test"), {"ods": protocol})
    assert {key: figures[key] for key in protocol.scores()} == protocol.scores()
    assert (figures["tolerance_px"], figures["matching"], figures["thinned"]) == (1.0, "one_to_one", True)


def test_protocol_against_its_own_labels(made: Made, tmp_path: Path) -> None:
    outlined = tmp_path / "outlined"
    shutil.copytree(made.data, outlined)
    model = made.checkpoint
    refuses((model, outlined, "--protocol", "boundaries"), "no labels 'boundaries'")
    shutil.copytree(outlined / "masks", outlined / "boundaries")
    figures = scored(model, outlined, "--protocol", "boundaries")
    assert figures["labels"] == "boundaries"
    masks = scored(model, outlined, "--protocol", "boundaries", "--labels", "masks")
    assert masks == {**figures, "labels": "masks"}


def test_super_resolution(made: Made, tmp_path: Path) -> None:
    of_checkpoint, of_bundle = (
        scored(model, made.data, "--protocol", "super_resolution") for model in (made.checkpoint, made.bundle.path)
    )
    assert of_checkpoint["psnr_db"] == pytest.approx(of_bundle["psnr_db"], abs=1e-3)
    assert of_checkpoint["ssim"] == pytest.approx(of_bundle["ssim"], abs=1e-4)
    assert 0 < of_checkpoint["psnr_db"] < 60
    plain = save_small_checkpoint(tmp_path / "plain", super_resolution=False)
    refuses((plain, made.data, "--protocol", "super_resolution"), "enlarges no images")


def test_baseline_is_a_model_too(made: Made) -> None:
    figures = scored("baseline:canny", made.data, "--protocol", "structured")
    assert figures["mode"] == "segmentation"
    assert figures["at_bundle_threshold"] is None
    assert 0 <= figures["f1"] <= 1
    with pytest.raises(UsageError, match="no super-resolution"):
        open_model("baseline:canny", "fused")


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        (("--protocol", "aiu", "--tolerance", "2"), ("'aiu' takes no --tolerance", "none of its options")),
        (("--protocol", "structured", "--thinned"), ("takes no --thinned", "--tolerance, --matching, --threshold")),
        (("--protocol", "ods", "--min-length", "5"), ("takes no --min-length", "--tolerance, --matching, --thinned")),
        (("--protocol", "all", "--threshold", "0.5"), ("'all' takes no --threshold", "each protocol at its defaults")),
        (("--protocol", "pooled", "--threshold", "1.5"), ("pooled: threshold", "less than or equal to 1")),
        (("--protocol", "super_resolution", "--out", "pictures"), ("has no pictures", "--out")),
        (("--models", "a"), ("--models belongs to --cross",)),
    ],
)
def test_options_that_a_protocol_does_not_take(words: tuple[str, ...], messages: tuple[str, ...]) -> None:
    refuses(("model", "data", *words), *messages)
