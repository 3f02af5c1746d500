"""A graph in ONNX Runtime: sizes, layouts, and graphs that are not what the manifest says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.session import GraphSession
from fissura.bundle import GraphInput, GraphOutput, load_bundle
from fissura.errors import BundleError, EngineError, ModelShapeError
from tests.calibration.conftest import darkness_graph

PROBABILITY = GraphOutput(name="probability", kind="probability")


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), multiple=st.sampled_from([1, 4, 7]), seed=st.integers(0, 9))
def test_any_size_and_layout_gives_the_frame_s_extent(
    layout: str, height: int, width: int, multiple: int, seed: int
) -> None:
    feed = GraphInput(layout=layout, multiple=multiple)  # type: ignore[arg-type]
    output = PROBABILITY.model_copy(update={"scale": 2})
    frame = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    found = GraphSession(darkness_graph(2, layout), feed, output).run(frame)
    expected = (1 - frame.mean(axis=2) / 255).repeat(2, axis=0).repeat(2, axis=1)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("feed", "output", "message"),
    [
        (GraphInput(name="frame"), PROBABILITY, "input 'frame'"),
        (GraphInput(layout="NCHW"), PROBABILITY, "uint8 NCHW with 3 channels"),
        (GraphInput(), GraphOutput(name="mask", kind="probability"), "output 'mask'"),
    ],
)
def test_graph_that_does_not_fit_the_manifest(feed: GraphInput, output: GraphOutput, message: str) -> None:
    with pytest.raises(ModelShapeError) as caught:
        GraphSession(darkness_graph(1), feed, output)
    assert message in str(caught.value)
    assert "'image' tensor(uint8)" in str(caught.value) or "'probability' tensor(float)" in str(caught.value)


def test_graph_of_another_scale_is_found_out() -> None:
    session = GraphSession(darkness_graph(2), GraphInput(), PROBABILITY)
    with pytest.raises(ModelShapeError, match="shape"):
        session.run(np.zeros((4, 5, 3), np.uint8))


def test_no_graph(tmp_path: Path, bundle_folder: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(darkness_graph(1)[:80])
    with pytest.raises(EngineError, match=r"broken\.onnx cannot be loaded"):
        GraphSession(broken, GraphInput(), PROBABILITY)
    with pytest.raises(BundleError, match="no graph 'super_resolution'"):
        GraphSession.of(load_bundle(bundle_folder), "super_resolution")
