"""A bundle's graph in ONNX Runtime: sizes, layouts, and graphs that are not what the manifest says."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.session import GraphSession
from fissura.bundle import Bundle, load_bundle
from fissura.errors import BundleError, EngineError, ModelShapeError
from fissura.onnxruntime_options import disabled_optimizers
from tests.calibration.conftest import darkness_graph, write_darkness_bundle


def forged(folder: Path, onnx: bytes, **changes: dict[str, Any]) -> Bundle:
    """The bundle of `folder` with another fused graph, or another description of it."""
    bundle = load_bundle(folder)
    (folder / "fused.onnx").write_bytes(onnx)
    graph = bundle.graph("fused")
    for part, update in changes.items():
        graph = graph.model_copy(update={part: getattr(graph, part).model_copy(update=update)})
    manifest = bundle.manifest.model_copy(update={"graphs": {**bundle.manifest.graphs, "fused": graph}})
    return Bundle(folder, manifest, bundle.id)


Sessions = Callable[[str, int], GraphSession]


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Sessions:
    @cache
    def of(layout: str, multiple: int) -> GraphSession:
        folder = write_darkness_bundle(tmp_path_factory.mktemp("session") / "bundle")
        feed = {"layout": layout, "multiple": multiple}
        return GraphSession(forged(folder, darkness_graph(2, layout), input=feed), "fused")

    return of


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), multiple=st.sampled_from([1, 4, 7]), seed=st.integers(0, 9))
def test_any_size_and_layout_gives_the_frame_s_extent(
    sessions: Sessions, layout: str, height: int, width: int, multiple: int, seed: int
) -> None:
    frame = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    found = sessions(layout, multiple).run(frame)
    expected = (1 - frame.mean(axis=2) / 255).repeat(2, axis=0).repeat(2, axis=1)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"input": {"name": "frame"}}, "frame"),
        ({"input": {"layout": "NCHW"}}, "image"),
        ({"output": {"name": "mask"}}, "mask"),
    ],
)
def test_graph_that_does_not_fit_the_manifest(bundle_folder: Path, changes: dict[str, Any], word: str) -> None:
    broken = GraphSession(forged(bundle_folder, darkness_graph(2), **changes), "fused")
    with pytest.raises(EngineError, match=rf"fused\.onnx fails on a frame of 5x4: .*{word}"):
        broken.run(np.zeros((4, 5, 3), np.uint8))


def test_graph_of_another_scale_is_found_out(bundle_folder: Path) -> None:
    with pytest.raises(ModelShapeError, match="shape"):
        GraphSession(forged(bundle_folder, darkness_graph(1)), "fused").run(np.zeros((4, 5, 3), np.uint8))


def test_no_graph(bundle_folder: Path) -> None:
    with pytest.raises(BundleError, match="no graph 'super_resolution'"):
        GraphSession(load_bundle(bundle_folder), "super_resolution")
    with pytest.raises(EngineError, match=r"fused\.onnx cannot be loaded"):
        GraphSession(forged(bundle_folder, darkness_graph(1)[:80]), "fused")


def test_an_int8_graph_runs_with_the_optimisers_that_the_vehicle_leaves_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = load_bundle(write_darkness_bundle(tmp_path / "b", {"segmentation": 1}, {"int8-cpu": 1.0}))
    left_out, opened = [], onnxruntime.InferenceSession

    def watched(*words: Any, disabled_optimizers: list[str] | None, **options: Any) -> Any:
        left_out.append(disabled_optimizers)
        return opened(*words, disabled_optimizers=disabled_optimizers, **options)

    monkeypatch.setattr(onnxruntime, "InferenceSession", watched)
    GraphSession(bundle, "segmentation")
    GraphSession(bundle, "segmentation", "int8-cpu")
    assert left_out == [None, disabled_optimizers("int8")] != [None, None]
