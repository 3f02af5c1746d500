from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge_runtime.bench_engines import comparison
from edge_runtime.bench_engines.candidate import Candidate, candidates_of, whole_mode
from edge_runtime.bench_engines.rounds import take_turns
from edge_runtime.engines.onnxruntime import OnnxRuntimeEngine
from edge_runtime.stored_graph import engine_class
from fissura.bundle import load_bundle
from fissura.cli import main
from fissura.errors import BundleError, EngineError
from fissura.imaging.images import write_rgb
from tests.edge_runtime.conftest import HEIGHT, WIDTH, pavement
from tests.quantised import CONVOLUTIONS, make_quantised_bundle

VARIANTS = {"fp32", "int8-cpu", "int8-portable"}
QUICK = ("--rounds", "1", "--size", f"{WIDTH}x{HEIGHT}")
needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="openvino is not installed")
needs_matplotlib = pytest.mark.skipif(find_spec("matplotlib") is None, reason="matplotlib is not installed")


@pytest.fixture(scope="module")
def quantised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_quantised_bundle(tmp_path_factory.mktemp("quantised"), [pavement(seed) for seed in range(3)])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three images whose cracks are what is dark."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "masks").mkdir()
    for seed in range(3):
        image = pavement(seed)
        write_rgb(folder / "images" / f"{seed}.png", image)
        mask = np.where(image.mean(axis=2) < 80, 255, 0).astype(np.uint8)
        assert cv2.imwrite(str(folder / "masks" / f"{seed}.png"), mask)
    (folder / "test.txt").write_text("0\n1\n2\n")
    return folder


@pytest.fixture(autouse=True)
def without_processes_of_their_own(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process a row takes seconds; one test measures memory."""
    if "memory" not in request.node.name:
        monkeypatch.setattr(comparison, "peak_memory_mb", lambda *_: 1.0)


def bench(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    size = f"{WIDTH}x{HEIGHT}"
    assert main(["bench", "engines", *words, "--size", size, "--rounds", "3", "--json"]) == 0
    figures: dict[str, Any] = json.loads(capsys.readouterr().out)
    return figures


def of(figures: dict[str, Any], engine: str) -> dict[str, dict[str, Any]]:
    return {row["precision"]: row for row in figures["rows"] if row["engine"] == engine}


def test_every_precision_of_the_reference(quantised: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = bench(capsys, str(quantised), "--engines", "onnxruntime")
    rows = of(figures, "onnxruntime")
    assert set(rows) == VARIANTS and len(figures["rows"]) == 3
    assert rows["fp32"]["speed"] == 1
    assert rows["fp32"]["convolutions"] == {"fp32": CONVOLUTIONS}
    for precision in VARIANTS - {"fp32"}:
        row = rows[precision]
        assert row["convolutions"] == {"int8": CONVOLUTIONS - 1, "fp32": 1}, "the last layer stays fp32"
        assert row["speed"] > 0 and row["ms"]["p50"] <= row["ms"]["p90"] <= row["ms"]["p99"]
        assert row["max_abs"] > rows["fp32"]["max_abs"], "the golden frames are fp32's"
        assert row["passed"] is True and row["f1"] is None
    assert figures["data"] is None and figures["frame_px"] == [WIDTH, HEIGHT]


@needs_openvino
def test_another_engine_stands_beside_it_with_a_precision_of_its_own(
    quantised: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import openvino

    figures = bench(capsys, str(quantised), "--engines", "openvino")
    rows = of(figures, "openvino")
    assert of(figures, "onnxruntime")["fp32"]["speed"] == 1, "the reference is always there"
    assert set(rows) == {"fp32", "bf16"} | (VARIANTS & engine_class("openvino").variants), "what it runs rightly"
    assert rows["int8-cpu"]["convolutions"] == {"int8": CONVOLUTIONS - 1, "fp32": 1}
    if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        assert rows["bf16"]["convolutions"] == {"bf16": CONVOLUTIONS} and rows["bf16"]["name"].endswith("bf16")
        assert rows["bf16"]["passed"] is None, "the bundle states no tolerance for it"
    else:
        assert "does not compute in bf16" in rows["bf16"]["reason"]


def test_with_data_every_row_is_scored_and_gated(
    quantised: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = bench(capsys, str(quantised), "--data", str(data))
    reference = of(figures, "onnxruntime")["fp32"]
    assert reference["f1"] > 90 and reference["drop"] == 0 and reference["passed"] is True
    for row in figures["rows"]:
        if not row["reason"]:
            assert row["drop"] == pytest.approx(reference["f1"] - row["f1"], abs=0.002)
            assert row["passed"] is (row["drop"] <= 0.5) and row["max_abs"] is None
    assert figures["data"]["images"] == 3 and figures["data"]["split"] == "test"


def test_a_drop_above_the_limit_fails_the_gate(
    quantised: Path, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = OnnxRuntimeEngine.run

    def worse(self: OnnxRuntimeEngine, *given: Any) -> Any:
        output = real(self, *given)
        return np.roll(output, 9, axis=3) if self.name.endswith("int8") else output

    monkeypatch.setattr(OnnxRuntimeEngine, "run", worse)
    rows = of(bench(capsys, str(quantised), "--data", str(data), "--engines", "onnxruntime"), "onnxruntime")
    assert rows["fp32"]["passed"] is True
    assert rows["int8-cpu"]["passed"] is False and rows["int8-cpu"]["drop"] > 10
    assert main(["bench", "engines", str(quantised), *QUICK, "--data", str(data)]) == 0
    assert "FAILS" in capsys.readouterr().out


def test_a_row_that_fails_keeps_its_reason_and_the_others_go_on(
    quantised: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = OnnxRuntimeEngine.__init__

    def refuse(self: OnnxRuntimeEngine, path: Path, *given: Any) -> None:
        if "int8-cpu" in path.name:
            raise EngineError("no such kernel", fix="another processor")
        real(self, path, *given)

    monkeypatch.setattr(OnnxRuntimeEngine, "__init__", refuse)
    rows = of(bench(capsys, str(quantised), "--engines", "onnxruntime"), "onnxruntime")
    assert rows["int8-cpu"]["reason"] == "no such kernel; another processor" and rows["int8-cpu"]["speed"] is None
    assert rows["int8-portable"]["speed"] > 0
    main(["bench", "engines", str(quantised), *QUICK, "--engines", "onnxruntime"])
    assert "onnxruntime int8-cpu: no such kernel; another processor" in capsys.readouterr().out


def test_a_row_that_fails_while_it_runs_is_left_out_from_there_on() -> None:
    class Frames:
        def __init__(self, good_for: int) -> None:
            self.left = good_for

        def run(self, *_: Any) -> None:
            if self.left == 0:
                raise EngineError("out of memory")
            self.left -= 1

    rows: dict[str, Any] = {"good": Frames(1000), "bad": Frames(5)}
    turns = take_turns(rows, [pavement()], rounds=9)
    assert len(turns.milliseconds["good"]) == 9 and "bad" not in turns.milliseconds
    assert str(turns.failures["bad"]) == "out of memory"


def test_the_reference_that_fails_ends_it(
    quantised: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise EngineError("nothing to compare with")

    monkeypatch.setattr(OnnxRuntimeEngine, "__init__", refuse)
    assert main(["bench", "engines", str(quantised), *QUICK]) == 2
    assert "nothing to compare with" in capsys.readouterr().err


def test_an_engine_that_is_not_there_is_one_line(
    quantised: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)  # importing it now fails
    figures = bench(capsys, str(quantised), "--engines", "tensorrt")
    assert not of(figures, "tensorrt")
    assert "tensorrt" in figures["not_available"]["tensorrt"]
    main(["bench", "engines", str(quantised), *QUICK, "--engines", "tensorrt"])
    assert "tensorrt is not available: " in capsys.readouterr().out


def test_engines_do_not_fall_back_silently(quantised: Path) -> None:
    """TensorRT would run in ONNX Runtime instead, and the row would be another's."""
    candidates = candidates_of(load_bundle(quantised), "segmentation", "tensorrt", threads=1, size=(96, 72), given={})
    assert {candidate.options["fallback"] for candidate in candidates} == {False}
    assert candidates[0].options["size"] == (96, 72)


def test_memory_is_that_of_a_process_of_its_own(quantised: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = load_bundle(quantised)
    candidate = Candidate("onnxruntime", "int8-cpu", None, {"threads": 1})
    small = comparison.peak_memory_mb(bundle, "segmentation", candidate, (96, 72))
    large = comparison.peak_memory_mb(bundle, "segmentation", candidate, (640, 480))
    assert small is not None and large is not None
    assert 30 < small < large - 10, "the activations of a frame of 307200 pixels, 16 channels each"
    monkeypatch.setattr(sys, "executable", str(quantised / "no-python"))
    assert comparison.peak_memory_mb(bundle, "segmentation", candidate, (96, 72)) is None


def test_both_graphs_of_a_chain_are_run(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A bundle without variants and golden frames still has its engines compared."""
    figures = bench(capsys, str(bundle), "--mode", "sr+segmentation", "--engines", "onnxruntime")
    (row,) = figures["rows"]
    assert row["precision"] == "fp32" and row["convolutions"] == {} and row["passed"] is None
    sizes = sum((bundle / f"{role}.onnx").stat().st_size for role in ("super_resolution", "segmentation"))
    assert row["file_mb"] == pytest.approx(sizes / 1e6, abs=1e-3)


def test_a_mode_that_the_bundle_has_not(quantised: Path) -> None:
    bundle = load_bundle(quantised)
    assert whole_mode(bundle, None) == "segmentation"
    with pytest.raises(BundleError, match="cannot run in mode 'fused'") as caught:
        whole_mode(bundle, "fused")
    assert "segmentation" in caught.value.expected


@needs_matplotlib
def test_the_plot_and_the_figures_are_written(quantised: Path, tmp_path: Path) -> None:
    words = ["bench", "engines", str(quantised), "--rounds", "2", "--size", "96x72", "--out", str(tmp_path / "new")]
    assert main(words) == 0
    assert json.loads((tmp_path / "new/engines.json").read_text())["rounds"] == 2
    picture = cv2.imread(str(tmp_path / "new/engines.png"))
    assert picture is not None and min(picture.shape[:2]) > 300 and len(np.unique(picture)) > 10


def test_without_matplotlib_it_says_so_first(
    quantised: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_runtime.bench_engines.plot.find_spec", lambda name: None)
    assert main(["bench", "engines", str(quantised), "--out", str(tmp_path / "new")]) == 2
    assert "matplotlib" in capsys.readouterr().err and not (tmp_path / "new").exists()


def test_the_plain_form_is_untouched(capsys: pytest.CaptureFixture[str]) -> None:
    """`engines` is the word after `bench`; a folder of that name is `./engines`."""
    for words, own in ((["bench", "--help"], "--pairs"), (["bench", "engines", "--help"], "--max-drop")):
        with pytest.raises(SystemExit) as caught:
            main(words)
        shown = capsys.readouterr().out
        assert caught.value.code == 0 and own in shown and shown.startswith(f"usage: fissura {' '.join(words[:-1])} ")
    assert main(["bench", "./engines"]) == 2
    assert "engines is no bundle" in capsys.readouterr().err
