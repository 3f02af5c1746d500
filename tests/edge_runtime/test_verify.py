"""`fissura verify`: every engine and precision that this device has, against golden frames and ONNX Runtime."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_runtime import engines
from edge_runtime.engines.onnxruntime import OnnxRuntimeConfig, OnnxRuntimeEngine
from fissura.bundle import Graph, VariantName, read_manifest
from fissura.cli import main
from fissura.errors import EngineError, MissingDependencyError
from tests.edge_runtime.proven import WRONG_STEEPNESS, list_files, make_proven_bundle, set_steepness

QUICK = ["--size", "96x72", "--frames", "3", "--threads", "1"]


class Fast(OnnxRuntimeEngine):
    """Another engine: right, and of int8 it runs the portable kind alone."""

    variants: ClassVar[frozenset[VariantName]] = frozenset({"int8-portable"})


class RoughOnLarge(OnnxRuntimeEngine):
    """Chooses a kernel that computes wrongly from a certain size on, as some have been seen to do."""

    def run(self, batch: NDArray[np.uint8], statistics: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        output = super().run(batch, statistics)
        return output * np.float32(0.97) if batch.shape[1] * batch.shape[2] > 96 * 72 else output


class Wrong(OnnxRuntimeEngine):
    def run(self, batch: NDArray[np.uint8], statistics: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        return super().run(batch, statistics) * np.float32(0.9)


class Crashing(OnnxRuntimeEngine):
    def run(self, batch: NDArray[np.uint8], statistics: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        raise EngineError("out of memory")


class Absent(OnnxRuntimeEngine):
    def __init__(self, path: Path, graph: Graph, config: OnnxRuntimeConfig) -> None:
        raise MissingDependencyError("this engine is not installed here")


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("proven") / "bundle"
    return make_proven_bundle(folder, roles=("super_resolution", "fused"), variants=("int8-portable", "int8-cpu"))


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes ONNX Runtime and the given class of this module the only engines of this device."""

    def set_engines(**others: str) -> None:
        table = {"onnxruntime": engines.ENGINES["onnxruntime"]}
        table |= {kind: f"{__name__}:{name}" for kind, name in others.items()}
        for kind in list(engines.ENGINES):
            monkeypatch.delitem(engines.ENGINES, kind)
        for kind, place in table.items():
            monkeypatch.setitem(engines.ENGINES, kind, place)

    return set_engines


def verified(capsys: pytest.CaptureFixture[str], bundle: Path, *words: str) -> tuple[int, dict[str, Any]]:
    code = main(["verify", str(bundle), *QUICK, *words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_every_engine_and_precision_that_there_is(
    proven: Path, only: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    only(fast="Fast")
    code, found = verified(capsys, proven)
    assert (code, found["passed"], found["unavailable"], found["frame_px"]) == (0, True, {}, [96, 72])
    assert [(row["role"], row["engine"], row["variant"]) for row in found["rows"]] == [
        ("fused", "onnxruntime", "fp32"),
        ("fused", "onnxruntime", "int8-cpu"),
        ("fused", "onnxruntime", "int8-portable"),
        ("fused", "fast", "fp32"),
        ("fused", "fast", "int8-portable"),
        ("super_resolution", "onnxruntime", "fp32"),
        ("super_resolution", "fast", "fp32"),
    ]
    for row in found["rows"]:
        assert row["passed"] and row["problems"] == []
        assert 0 < row["latency_ms"]["p50"] <= row["latency_ms"]["p90"] <= row["latency_ms"]["p99"]
        assert len(row["on_golden"]["sizes"]) == 2
        assert row["on_camera"]["sizes"] == [[96, 72]]
        assert row["golden"]["frames"] == 2
        assert (row["on_camera"]["mask_iou"] is None) == (row["role"] == "super_resolution")
    own, lower = found["rows"][0], found["rows"][2]
    assert own["on_camera"]["max_abs"] == 0
    assert own["on_camera"]["mask_iou"] == 1
    assert 0 < lower["on_camera"]["mean_abs"] < lower["on_camera"]["max_abs"]
    assert 0.8 < lower["on_camera"]["mask_iou"] < 1
    assert found["fastest"]["role"] == "fused"


def test_for_a_person(proven: Path, only: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    only(absent="Absent")
    assert main(["verify", str(proven), *QUICK]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line for line in lines if line.startswith(("fused ", "super_resolution "))]
    assert len(rows) == 4
    assert all(row.endswith(" ok") for row in rows)
    assert "not here: absent: this engine is not installed here" in lines
    assert lines[-1].startswith("ok: this device may run this bundle; fastest of fused: onnxruntime ")


def test_an_engine_that_was_asked_for_must_be_there(
    proven: Path, only: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    only(absent="Absent")
    code, found = verified(capsys, proven, "--engines", "onnxruntime,absent")
    assert (code, found["passed"], list(found["unavailable"])) == (1, False, ["absent"])
    assert all(row["passed"] for row in found["rows"])
    assert verified(capsys, proven, "--engines", "onnxruntime")[0] == 0


@pytest.mark.parametrize(
    ("engine", "problem"),
    [
        ("Wrong", "golden frames: off by 0.1"),
        ("RoughOnLarge", "camera size: off by 0.03"),
        ("Crashing", "out of memory"),
    ],
)
def test_an_engine_that_computes_wrongly_fails(
    proven: Path, only: Callable[..., None], capsys: pytest.CaptureFixture[str], engine: str, problem: str
) -> None:
    only(other=engine)
    words = ["--variants", "fp32", "--size", "160x120"]
    code, found = verified(capsys, proven, *words)
    assert (code, found["passed"]) == (1, False)
    failed = [row for row in found["rows"] if not row["passed"]]
    assert {row["engine"] for row in failed} == {"other"}
    assert any(problem in text for row in failed for text in row["problems"])
    assert found["fastest"]["engine"] == "onnxruntime"
    assert main(["verify", str(proven), *QUICK, *words]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith(f"FAILED: this device must not run {len(failed)} of 4 rows; it may run the others")
    assert any(line.startswith("fused, other fp32: ") and problem in line for line in lines)


def test_a_wrong_graph_of_lower_precision_fails(
    proven: Path, tmp_path: Path, only: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    only()
    copy = Path(shutil.copytree(proven, tmp_path / "copy"))
    set_steepness(copy / "fused.int8-cpu.onnx", WRONG_STEEPNESS)
    list_files(copy, read_manifest(copy))
    code, found = verified(capsys, copy)
    assert code == 1
    assert [row["variant"] for row in found["rows"] if not row["passed"]] == ["int8-cpu"]


def test_subsets(proven: Path, only: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    only(fast="Fast")
    code, found = verified(capsys, proven, "--engines", "fast", "--variants", "int8-portable,int8-cpu")
    assert code == 0
    assert [(row["role"], row["engine"], row["variant"]) for row in found["rows"]] == [
        ("fused", "fast", "int8-portable")
    ]
    assert main(["verify", str(proven), "--variants", "fp16"]) == 2
    message = capsys.readouterr().err
    assert "no graph of the bundle runs at fp16 here" in message
    assert "fp32, int8-portable, int8-cpu" in message
    assert main(["verify", str(proven), "--engines", "fast", "--variants", "int8-cpu"]) == 2
    capsys.readouterr()


@pytest.mark.parametrize("words", [["--engines", "onnx"], ["--variants", "int4"], ["--size", "96"], ["--frames", "0"]])
def test_a_wrong_command_line(proven: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["verify", str(proven), *words])
    assert caught.value.code == 2
    assert "expected" in capsys.readouterr().err


def test_without_onnx_runtime_there_is_nothing_to_compare_with(
    proven: Path, only: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    only(fast="Fast")
    monkeypatch.setitem(engines.ENGINES, "onnxruntime", f"{__name__}:Absent")
    assert main(["verify", str(proven), *QUICK]) == 2
    assert "this engine is not installed here" in capsys.readouterr().err


def test_what_this_device_really_has(proven: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever engines are installed: each is right, or named as missing."""
    code, found = verified(capsys, proven, "--variants", "fp32")
    assert code == 0, found
    assert {row["engine"] for row in found["rows"]} | set(found["unavailable"]) == set(engines.ENGINES)
