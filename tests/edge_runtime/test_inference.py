from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.inference import Mode, TileOptions, open_inference
from edge_runtime.stages import StageTimes
from edge_runtime.step import to_uint8
from fissura.bundle import Bundle, load_bundle
from fissura.errors import BundleError, UsageError
from tests.bundles import CASCADE_ROLES, MULTIPLE, Layout, make_bundle
from tests.edge_runtime.conftest import calibrated, pavement

MODES: tuple[Mode, ...] = ("fused", "sr+segmentation", "segmentation")


def _open(bundle: Path, mode: Mode | None = None):  # type: ignore[no-untyped-def]
    return open_inference(load_bundle(bundle), mode, "onnxruntime", {"threads": 1})


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("mode", MODES)
def test_gives_a_probability_of_the_frames_size_times_the_scale(tmp_path: Path, mode: Mode, layout: Layout) -> None:
    inference = _open(make_bundle(tmp_path / "bundle", layout=layout), mode)
    times = StageTimes()
    assert inference.scale == (1 if mode == "segmentation" else 2)
    for height, width in ((72, 96), (61, 77), (72, 96)):  # with and without padding, and back
        probability = inference.run(pavement(height, width=width, height=height), times)
        assert probability.shape == (height * inference.scale, width * inference.scale)
        assert probability.dtype == np.float32
        crack = probability >= inference.threshold
        assert 0.005 < crack.mean() < 0.2
    stages = {"fused": ["encode", "fused"], "segmentation": ["encode", "segmentation"]}
    assert list(times.all()) == stages.get(mode, ["encode", "sr", "sr.round", "segmentation"])
    inference.close()


@pytest.mark.parametrize("mode", MODES)
def test_both_layouts_agree(tmp_path: Path, mode: Mode) -> None:
    image = pavement(3, width=77, height=61)
    maps = [
        _open(make_bundle(tmp_path / layout, layout=layout), mode).run(image, StageTimes())
        for layout in ("NHWC", "NCHW")
    ]
    np.testing.assert_allclose(maps[0], maps[1], atol=1e-5)


def test_buffers_are_used_again_without_a_trace_of_the_frame_before(bundle: Path) -> None:
    inference = _open(bundle, "fused")
    size = {"width": MULTIPLE * 5 + 3, "height": MULTIPLE * 4 + 1}
    first = inference.run(pavement(0, **size), StageTimes()).copy()
    inference.run(pavement(1, **size), StageTimes())
    np.testing.assert_array_equal(inference.run(pavement(0, **size), StageTimes()), first)


def test_takes_fused_where_the_bundle_has_it_else_segmentation(tmp_path: Path, bundle: Path) -> None:
    assert _open(bundle).mode == "fused"
    assert _open(make_bundle(tmp_path / "a", roles=("segmentation",))).mode == "segmentation"


def test_a_mode_that_the_bundle_lacks_names_those_it_has(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "a", roles=("segmentation",))
    for mode in ("fused", "sr+segmentation"):
        with pytest.raises(BundleError, match="cannot run in mode") as caught:
            _open(folder, mode)
        assert caught.value.expected == "--mode full or segmentation"
    loaded: Bundle = load_bundle(make_bundle(tmp_path / "b", roles=("super_resolution",)))
    with pytest.raises(BundleError, match="cannot run"):
        open_inference(loaded, None, "onnxruntime", {})


def test_a_frame_too_large_for_one_piece_goes_through_tiles_with_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make_bundle(tmp_path / "bundle", roles=CASCADE_ROLES)
    small, large = pavement(1, width=96, height=72), pavement(2, width=333, height=255)
    expected = _open(bundle, "fused").run(large, StageTimes()).copy()
    monkeypatch.setattr("edge_runtime.tiled_frame.WHOLE_PX", 4 * 100 * 100)
    monkeypatch.setattr("edge_runtime.tiled_frame.TILE_PX", 4 * 100 * 100)
    inference, times = _open(bundle), StageTimes()
    assert inference.mode == "fused"
    inference.run(small, times)
    assert "tiles" not in times.all()
    np.testing.assert_allclose(inference.run(large, times), expected, atol=1e-4)
    assert "tiles" in times.all()
    inference.close()


@settings(deadline=None)
@given(st.lists(st.floats(-1, 2, width=32), min_size=6, max_size=6))
def test_rounding_is_to_the_nearest_and_clipped(values: list[float]) -> None:
    image = np.array(values, np.float32).reshape(1, 2, 3)
    exact = np.clip(image.astype(np.float64) * 255, 0, 255)
    assert np.all(np.abs(to_uint8(image) - exact) <= 0.5 + 1e-4)


def test_rounding_takes_planar_views_too() -> None:
    planar = np.random.default_rng(0).random((3, 5, 7), np.float32)
    np.testing.assert_array_equal(to_uint8(planar.transpose(1, 2, 0)), np.rint(planar * 255).transpose(1, 2, 0))


@pytest.mark.parametrize("mode", ["fused", "cascade", "full"])
def test_hysteresis_and_temperature_are_those_of_the_graph_that_decides(tmp_path: Path, mode: Mode) -> None:
    bundle = calibrated(make_bundle(tmp_path / "bundle", roles=CASCADE_ROLES), low_threshold=0.25, temperature=1.5)
    inference = _open(bundle, mode)
    assert (inference.threshold, inference.low_threshold, inference.temperature) == (0.5, 0.25, 1.5)
    cut = open_inference(load_bundle(bundle), "full", "onnxruntime", {"threads": 1}, TileOptions(core=32))
    assert (cut.low_threshold, cut.temperature) == (0.25, 1.5)
    cheap = _open(bundle, "lr-only")  # the proposal's own: none
    assert (cheap.low_threshold, cheap.temperature) == (None, 1.0)


def test_a_precision_that_the_engine_computes_wrongly_is_refused(bundle: Path) -> None:
    pytest.importorskip("openvino", reason="the package openvino is not installed")
    with pytest.raises(UsageError, match="engine openvino does not run int8-portable"):
        open_inference(load_bundle(bundle), None, "openvino", {}, precision="int8-portable")
