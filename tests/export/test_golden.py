"""Golden frames: small, the same each time, and they notice a changed graph."""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edge_runtime.golden import FILE, check_golden, read_golden
from export.golden import MARGIN, MAX_SLACK, MEAN_SLACK, make_golden, measure_tolerance, write_golden
from fissura.bundle import Bundle, Tolerance, load_bundle
from fissura.errors import EngineError, ExportError
from tests.export.conftest import Made
from tests.export.test_onnx import ROLES, stored


def test_every_graph_has_frames_and_passes(made: Made) -> None:
    golden = read_golden(made.bundle.path / FILE)
    assert sorted(entry.role for entry in golden.frames) == sorted([*ROLES, *ROLES])
    assert any(side % 2 for entry in golden.frames for side in entry.frame.shape[:2])
    results = check_golden(made.bundle)
    assert set(results) == {(role, None) for role in ROLES}
    assert max(result.max_abs for result in results.values()) <= 0.5 / 255 + 1e-5  # what 8 bits lose
    assert (made.bundle.path / FILE).stat().st_size < 1_000_000


def test_outputs_are_worth_comparing(made: Made) -> None:
    """A frame whose output is one value everywhere would prove nothing."""
    for entry in read_golden(made.bundle.path / FILE).frames:
        assert len(np.unique(entry.output)) > 5, entry.role


def test_equal_frames_have_equal_bytes(made: Made, tmp_path: Path) -> None:
    golden = make_golden([stored(made.bundle, role) for role in ROLES], 2)
    write_golden(tmp_path / "again.npz", golden)
    assert (tmp_path / "again.npz").read_bytes() == (made.bundle.path / FILE).read_bytes()
    with zipfile.ZipFile(tmp_path / "again.npz") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def changed_copy(made: Made, folder: Path, factor: float) -> Bundle:
    shutil.copytree(made.bundle.path, folder)
    path = folder / "segmentation.onnx"
    model = onnx.load(path)
    weights = next(tensor for tensor in model.graph.initializer if tensor.name.endswith("encoders.0.0.weight"))
    values = numpy_helper.to_array(weights) * np.float32(factor)
    weights.CopyFrom(numpy_helper.from_array(values, weights.name))
    onnx.save(model, path)
    return Bundle(folder, made.bundle.manifest, made.bundle.id)  # as if the manifest had been forged too


def test_changed_weight_is_noticed(made: Made, tmp_path: Path) -> None:
    assert set(check_golden(changed_copy(made, tmp_path / "same", 1.0))) == {(role, None) for role in ROLES}
    with pytest.raises(EngineError, match=r"graph segmentation \(fp32\) differs by"):
        check_golden(changed_copy(made, tmp_path / "changed", 1.05))


def test_swapped_graphs_are_noticed(made: Made, tmp_path: Path) -> None:
    shutil.copytree(made.bundle.path, tmp_path / "swapped")
    bundle = load_bundle(tmp_path / "swapped")
    fused = bundle.graph("fused").model_copy(update={"file": "segmentation.onnx"})
    graphs = {**bundle.manifest.graphs, "fused": fused}
    forged = Bundle(bundle.path, bundle.manifest.model_copy(update={"graphs": graphs}), bundle.id)
    with pytest.raises(EngineError, match=r"segmentation\.onnx"):  # no frame of the fused graph's sizes fits
        check_golden(forged)


def test_the_tolerance_of_lower_precision_is_what_was_measured_and_a_margin(made: Made) -> None:
    golden = read_golden(made.bundle.path / FILE)
    graph = replace(stored(made.bundle, "segmentation"), variant="int8-cpu")
    entries = golden.of("segmentation")

    def off_by(difference: float) -> Tolerance:
        outputs = {entry.frame.tobytes(): entry.output.astype(np.float32) / 255 for entry in entries}
        return measure_tolerance(graph, golden, lambda frame: outputs[frame.tobytes()] + np.float32(difference))

    tolerance = off_by(0.02)
    assert tolerance.max_abs == pytest.approx(MARGIN * 0.02 + MAX_SLACK, abs=2e-4)
    assert tolerance.mean_abs == pytest.approx(MARGIN * 0.02 + MEAN_SLACK, abs=2e-4)
    assert tolerance.max_abs >= MARGIN * 0.02 + MAX_SLACK  # rounded up
    assert off_by(0.0).max_abs > 0  # a graph that is as good as fp32 has a tolerance, too
    assert off_by(0.9).max_abs == 1
    with pytest.raises(ExportError, match=r"segmentation\.int8-cpu\.onnx gives what is no number"):
        off_by(np.nan)
