"""Golden frames on the vehicle: every graph at every precision, within its own tolerance, from any version's file."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import edge_runtime.engines.onnxruntime as onnxruntime_engine
from edge_runtime.engines.onnxruntime import OnnxRuntimeEngine
from edge_runtime.golden import FILE, check_golden, golden_of, golden_results, read_golden
from fissura.bundle import Bundle, load_bundle, read_manifest
from fissura.errors import BundleError, EngineError, ModelShapeError
from tests.edge_runtime.proven import TOLERANCE, WRONG_STEEPNESS, list_files, make_proven_bundle, set_steepness

OLD = Path(__file__).parents[1] / "golden" / "bundles"


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("proven") / "bundle"
    return make_proven_bundle(folder, roles=("super_resolution", "fused"), variants=("fp16", "int8-portable"))


@pytest.fixture
def copy(proven: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(proven, tmp_path / "copy"))


def test_every_graph_passes_at_every_precision_within_its_own_tolerance(proven: Path) -> None:
    results = check_golden(load_bundle(proven))
    assert set(results) == {("super_resolution", None), ("fused", None), ("fused", "fp16"), ("fused", "int8-portable")}
    assert results["fused", None].max_abs <= 0.5 / 255 + 1e-5  # what 8 bits lose
    lower = results["fused", "int8-portable"]
    assert lower.tolerance == TOLERANCE
    assert results["fused", None].tolerance.max_abs < lower.max_abs <= TOLERANCE.max_abs
    assert {result.frames for result in results.values()} == {2}


@pytest.mark.parametrize("file", ["fused.onnx", "fused.fp16.onnx"])
def test_a_changed_graph_is_noticed(copy: Path, file: str) -> None:
    set_steepness(copy / file, WRONG_STEEPNESS)
    list_files(copy, read_manifest(copy))  # as if the manifest had been forged too
    precision = "fp32" if file == "fused.onnx" else "fp16"
    with pytest.raises(EngineError, match=rf"golden frames: graph fused \({precision}\) differs by 0\.\d+ at most"):
        check_golden(load_bundle(copy))
    failed = [result for result in golden_results(load_bundle(copy), "onnxruntime") if not result.passed]
    assert [result.variant for result in failed] == [None if precision == "fp32" else "fp16"]


def test_an_engine_that_gives_no_numbers_or_another_size_is_noticed(
    proven: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(change: float) -> type[OnnxRuntimeEngine]:
        class Broken(OnnxRuntimeEngine):
            def run(
                self, batch: NDArray[np.uint8], statistics: NDArray[np.float32] | None = None
            ) -> NDArray[np.float32]:
                output = super().run(batch, statistics)
                return output[..., :-1, :] if change == 0 else output * np.float32(change)

        return Broken

    bundle = load_bundle(proven)
    monkeypatch.setattr(onnxruntime_engine, "OnnxRuntimeEngine", broken(np.nan))
    with pytest.raises(EngineError, match="differs by nan"):
        check_golden(bundle)
    monkeypatch.setattr(onnxruntime_engine, "OnnxRuntimeEngine", broken(0))
    with pytest.raises(ModelShapeError):
        check_golden(bundle)


def test_without_golden_frames_nothing_is_proven(copy: Path) -> None:
    manifest = read_manifest(copy)
    files = {name: entry for name, entry in manifest.files.items() if name != FILE}
    unlisted = Bundle(copy, manifest.model_copy(update={"files": files}), "")
    with pytest.raises(BundleError, match="has no golden frames"):
        check_golden(unlisted)
    np.savez_compressed(copy / FILE, tolerance=np.array(0.1))
    list_files(copy, manifest)
    with pytest.raises(BundleError, match="no golden frames of graph fused"):
        check_golden(load_bundle(copy))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a file", b"\x80\x04N."])
def test_damaged_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(BundleError, match="cannot be read"):
        read_golden(tmp_path / FILE)
    with pytest.raises(BundleError, match="cannot be read"):
        read_golden(tmp_path / "missing.npz")


def test_frames_of_a_newer_version_are_left_alone(copy: Path) -> None:
    with np.load(copy / FILE) as arrays:
        known = dict(arrays)
    new = {"stereo/0/frame": np.zeros((4, 4, 3), np.uint8), "stereo/0/output": np.zeros((4, 4), np.uint8)}
    np.savez_compressed(copy / FILE, **known, **new)
    assert {entry.role for entry in read_golden(copy / FILE).frames} == {"super_resolution", "fused"}


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_bundles_of_earlier_minor_versions_are_proven(version: str) -> None:
    bundle = load_bundle(OLD / version)
    assert bundle.manifest.schema_version == version
    assert golden_of(bundle).tolerance == pytest.approx(1 / 255)
    assert {role for role, _ in check_golden(bundle)} == set(bundle.manifest.graphs)
