"""The engine with a TensorRT that works."""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest

from edge_runtime.engines.tensorrt.library import load_tensorrt
from fissura.bundle import Graph
from fissura.errors import ConfigError, EngineError, MissingDependencyError
from fissura.imaging.images import write_rgb
from tests.bundles import make_bundle
from tests.edge_runtime.engines.tensorrt.conftest import VERSIONS, Vendor, graph_of, pixels, reference
from tests.edge_runtime.engines.tensorrt.graphs import write_graph

TINY = Path(__file__).parents[4] / "examples" / "bundles" / "tiny"
OLDER = Path(__file__).parents[3] / "golden" / "bundles" / "1.1"


@pytest.mark.parametrize(
    ("version", "role"),
    [(VERSIONS[0], "segmentation"), (VERSIONS[1], "fused"), (VERSIONS[2], "fused"), (VERSIONS[2], "super_resolution")],
)
def test_gives_what_onnx_runtime_gives(vendor: Vendor, version: str, role: str) -> None:
    vendor.use(version)
    path, graph = graph_of(TINY, role)  # type: ignore[arg-type]
    engine, truth = vendor.open(path, graph), reference(path, graph)
    for number, (height, width) in enumerate([(72, 96), (72, 96), (72, 96), (16, 24), (72, 96), (16, 24)]):
        image = pixels(1, height, width, 3, seed=number)
        np.testing.assert_array_equal(engine.run(image), truth.run(image))
    assert engine.name == f"tensorrt {version} fp32 Fake Orin"
    assert vendor.gpu().launches == 4  # the first run of each shape is not recorded
    engine.close()


@pytest.mark.parametrize("cuda", ["cuda-python", "pycuda"])
def test_either_cuda_library_serves(warm: Vendor, small: tuple[Path, Graph], cuda: str) -> None:
    engine, truth = warm.open(*small, cuda=cuda), reference(*small)
    for seed in range(4):
        image = pixels(1, 72, 96, 3, seed=seed)
        np.testing.assert_array_equal(engine.run(image), truth.run(image))
    assert warm.gpu().launches == (3 if cuda == "cuda-python" else 0)
    engine.close()


def test_without_cuda_graphs(warm: Vendor, small: tuple[Path, Graph]) -> None:
    engine = warm.open(*small, cuda_graph=False)
    for seed in range(3):
        engine.run(pixels(1, 72, 96, 3, seed=seed))
    assert warm.gpu().launches == 0
    engine.close()


@pytest.mark.parametrize("contexts", [1, 2])
def test_batches_in_flight_come_back_in_order(warm: Vendor, small: tuple[Path, Graph], contexts: int) -> None:
    engine, truth = warm.open(*small, contexts=contexts), reference(*small)
    images = [pixels(1, 72, 96, 3, seed=seed) for seed in range(7)]
    found = []
    for number, image in enumerate(images):
        engine.submit(image)
        image[:] = 0  # the caller's again as soon as it is submitted
        if number >= contexts - 1:
            found.append(engine.collect().copy())
    while len(found) < len(images):
        found.append(engine.collect().copy())
    for seed, output in enumerate(found):
        np.testing.assert_array_equal(output, truth.run(pixels(1, 72, 96, 3, seed=seed)))
    with pytest.raises(EngineError, match="no batch is in flight"):
        engine.collect()
    for image in images[:contexts]:
        engine.submit(image)
    with pytest.raises(EngineError, match=f"{contexts} batches are in flight"):
        engine.submit(images[0])
    engine.close()


@pytest.mark.parametrize("images", [1, 3])
def test_run_refuses_while_a_batch_is_in_flight(vendor: Vendor, tmp_path: Path, images: int) -> None:
    """Its answer would be that of the batch before."""
    path, graph = write_graph(tmp_path, "fp32", batch="n")
    engine, truth = vendor.open(path, graph, contexts=2), reference(path, graph)
    first, second = pixels(1, 16, 16, 3, seed=1), pixels(images, 16, 16, 3, seed=2)
    engine.submit(first)
    with pytest.raises(EngineError, match="1 batches are in flight"):
        engine.run(second)
    np.testing.assert_allclose(engine.collect(), truth.run(first), atol=1e-6)
    np.testing.assert_allclose(engine.run(second), truth.run(second), atol=1e-6)
    engine.close()


def test_closes_with_a_batch_in_flight(warm: Vendor, small: tuple[Path, Graph]) -> None:
    engine = warm.open(*small, contexts=2)
    engine.submit(pixels(1, 72, 96, 3))
    engine.close()


def test_more_shapes_than_are_remembered(warm: Vendor, small: tuple[Path, Graph]) -> None:
    engine, truth = warm.open(*small), reference(*small)
    for _ in range(2):
        for width in range(16, 97, 8):
            image = pixels(1, 16, width, 3, seed=width)
            np.testing.assert_array_equal(engine.run(image), truth.run(image))
            engine.run(image)
    assert warm.gpu().live()["recordings"] <= 2 * 4  # each is a graph and its executable
    engine.close()


def test_buffers_do_not_grow_after_the_start(warm: Vendor, small: tuple[Path, Graph]) -> None:
    engine = warm.open(*small)
    before = set(warm.gpu().device_blocks), set(warm.gpu().pinned_blocks)
    for height, width in ((8, 8), (72, 96), (40, 64)):
        engine.run(pixels(1, height, width, 3))
    assert (set(warm.gpu().device_blocks), set(warm.gpu().pinned_blocks)) == before
    engine.close()


def test_statistics_go_along(vendor: Vendor, tmp_path: Path) -> None:
    path, graph = write_graph(tmp_path, "fp32", statistics=True)
    engine, truth = vendor.open(path, graph), reference(path, graph)
    image = pixels(1, 16, 16, 3)
    for level in (0.2, 0.7, 0.4):
        statistics = np.full((2, 3), level, np.float32)
        np.testing.assert_array_equal(engine.run(image, statistics), truth.run(image, statistics))
    with pytest.raises(EngineError, match="without statistics"):
        engine.run(image)
    engine.close()


def test_larger_batches_run_in_parts(vendor: Vendor, tmp_path: Path) -> None:
    path, graph = write_graph(tmp_path, "fp32", batch="n")
    engine, truth = vendor.open(path, graph, max_batch=2), reference(path, graph)
    images = pixels(5, 16, 16, 3)
    np.testing.assert_allclose(engine.run(images), truth.run(images), atol=1e-6)
    assert vendor.sidecar()["key"]["profile"] == "1x8x8x3 2x72x96x3 2x72x96x3"
    engine.close()


def test_a_frame_beyond_the_plan_is_refused_and_it_goes_on(warm: Vendor, small: tuple[Path, Graph]) -> None:
    engine = warm.open(*small)
    with pytest.raises(EngineError, match="cannot run a batch of shape") as caught:
        engine.run(pixels(1, 80, 96, 3))
    assert "`size`" in caught.value.fix
    assert engine.run(pixels(1, 72, 96, 3)).shape == (1, 1, 72, 96)
    engine.close()


def test_bytes_are_cast_before_they_are_transposed(vendor: Vendor) -> None:
    """Bundles of before manifest 1.2 transpose bytes, which the builder (and its stand-in) refuses."""
    path, graph = graph_of(OLDER, "segmentation")
    assert onnx.load(path).graph.node[0].op_type == "Transpose"
    vendor.open(path, graph).close()


@pytest.mark.parametrize(
    ("kind", "version", "layers"),
    [
        ("fp32", "11.4.0.106", {"conv1": "fp32", "conv2": "fp32"}),
        ("fp16", "11.4.0.106", {"conv1": "fp16", "conv2": "fp16"}),
        ("fp16", "10.3.0", {"conv1": "fp16", "conv2": "fp16"}),
        ("fp16", "8.6.1", {"conv1": "fp16", "conv2": "fp16"}),
        ("int8", "11.4.0.106", {"conv1": "int8", "conv2": "int8"}),
        ("int8", "10.3.0", {"conv1": "int8", "conv2": "int8"}),
        ("int8", "8.6.1", {"conv1": "int8", "conv2": "int8"}),
        ("restored", "11.4.0.106", {"conv1": "int8", "conv2": "fp32"}),
    ],
)
def test_precision_comes_from_the_graph(
    vendor: Vendor, tmp_path: Path, kind: str, version: str, layers: dict[str, str]
) -> None:
    vendor.use(version)
    path, graph = write_graph(tmp_path, kind)  # type: ignore[arg-type]
    engine = vendor.open(path, graph)
    assert vendor.sidecar()["layers"] == layers
    assert engine.convolutions == Counter(layers.values())
    assert f" {graph.precision} " in engine.name
    engine.close()


def write_ranges(graph: Path, tensors: str) -> None:
    """The bundle's `ranges.json` beside a graph."""
    text = f'{{"graphs": {{"{graph.stem}": {{"int8-portable": {{"tensors": {tensors}}}}}}}}}'
    (graph.parent / "ranges.json").write_text(text)


@pytest.mark.parametrize("version", ["8.6.1", "10.3.0"])
@pytest.mark.parametrize("by", ["ranges", "images"])
def test_flags_lower_the_precision_of_an_fp32_graph(
    vendor: Vendor, tmp_path: Path, version: str, by: str, images: Path
) -> None:
    vendor.use(version)
    path, graph = write_graph(tmp_path, "fp32")
    options: dict[str, object] = {"calibration_images": images}
    if by == "ranges":
        write_ranges(path, '{"unit": {"low": 0, "high": 1}, "c1": {"low": -2, "high": 3}}')
        options = {}
    engine = vendor.open(path, graph, precision="int8", **options)
    assert vendor.sidecar()["layers"] == {"conv1": "int8", "conv2": "int8"}
    assert engine.name == f"tensorrt {version} int8 Fake Orin"
    engine.close()


def test_a_layer_without_a_range_stays_at_half_precision(vendor: Vendor, tmp_path: Path) -> None:
    vendor.use("10.3.0")
    path, graph = write_graph(tmp_path, "fp32")
    write_ranges(path, '{"unit": {"low": 0, "high": 1}}')
    vendor.open(path, graph, precision="int8").close()
    assert vendor.sidecar()["layers"] == {"conv1": "int8", "conv2": "fp16"}
    write_ranges(path, '{"c1": {"low": 0, "high": 1}}')
    vendor.open(path, graph, precision="int8").close()
    assert len(vendor.plans()) == 2  # other scales, another plan


@pytest.mark.parametrize(
    ("version", "options", "found"),
    [
        ("11.4.0.106", {"precision": "fp16"}, r"takes precision from the graph(.|\n)*--precision fp16$"),
        ("11.4.0.106", {"precision": "int8"}, r"takes precision from the graph(.|\n)*--precision int8-portable$"),
        ("10.3.0", {"precision": "int8"}, "without scales"),
        (
            "11.4.0.106",
            {"tactic_sources": ["JIT_CONVOLUTIONS", "CUDNN"]},
            r"11\.4\.0\.106 does not have: CUDNN\n(.|\n)*some of EDGE_MASK_CONVOLUTIONS, JIT_CONVOLUTIONS",
        ),
    ],
)
def test_options_that_cannot_be(
    vendor: Vendor, small: tuple[Path, Graph], version: str, options: dict[str, object], found: str
) -> None:
    vendor.use(version)
    with pytest.raises(ConfigError) as caught:
        vendor.open(*small, fallback=True, **options)
    assert re.search(found, str(caught.value))


def test_the_plan_of_the_last_start_is_used(
    warm: Vendor, small: tuple[Path, Graph], caplog: pytest.LogCaptureFixture
) -> None:
    (plan,) = warm.plans()
    written = plan.stat().st_mtime_ns
    warm.use(fault="crash")  # a build would not survive
    with caplog.at_level(logging.INFO):
        warm.open(*small).close()
    assert plan.stat().st_mtime_ns == written and "building" not in caplog.text


@pytest.mark.parametrize("version", VERSIONS)
def test_each_choice_of_tactic_sources_makes_a_plan(vendor: Vendor, small: tuple[Path, Graph], version: str) -> None:
    vendor.use(version)
    both = ["EDGE_MASK_CONVOLUTIONS", "JIT_CONVOLUTIONS"]
    expected = set[str]()
    for chosen, built in ((None, ["by default"]), ([], []), (both, both), (both[::-1], both), ([*both, both[0]], both)):
        vendor.open(*small, tactic_sources=chosen).close()
        expected.add(f'"sources": {json.dumps(built)}')
        found = [plan.read_bytes() for plan in vendor.plans()]
        assert len(found) == len(expected)
        assert all(any(text.encode() in plan for plan in found) for text in expected)


@pytest.mark.parametrize("version", VERSIONS)
def test_each_optimisation_level_makes_a_plan(vendor: Vendor, small: tuple[Path, Graph], version: str) -> None:
    vendor.use(version)
    expected = list[str]()
    for chosen, built in ((None, 3), (0, 0), (3, 3), (0, 0)):
        vendor.open(*small, optimization_level=chosen).close()
        expected.append(f'"level": {built}')
        found = [plan.read_bytes() for plan in vendor.plans()]
        assert len(found) == min(len(expected), 3), "the first 0 is found again"
        assert all(any(text.encode() in plan for plan in found) for text in expected)


def test_tactic_sources_that_cannot_be_chosen(vendor: Vendor, small: tuple[Path, Graph]) -> None:
    vendor.use("8.6.1", fault="sources")
    with pytest.raises(EngineError, match=r"TensorRT 8\.6\.1 does not build with the tactic sources none"):
        vendor.open(*small, tactic_sources=[])


def test_other_calibration_images_make_another_plan(vendor: Vendor, tmp_path: Path, images: Path) -> None:
    vendor.use("10.3.0")
    path, graph = write_graph(tmp_path, "fp32")
    own = Path(shutil.copytree(images, tmp_path / "images"))

    def plans(folder: Path) -> int:
        vendor.open(path, graph, precision="int8", calibration_images=folder).close()
        return len(vendor.plans())

    assert plans(own) == 1
    (own / "notes.txt").write_text("no image")
    assert plans(own) == 1
    assert plans(images) == 1, "the same images elsewhere"
    write_rgb(own / "00.png", pixels(72, 96, 3))
    assert plans(own) == 2
    (own / "01.png").rename(own / "11.png")
    assert plans(own) == 3
    with pytest.raises(EngineError, match="holds no image"):
        plans(tmp_path / "nowhere")


def test_what_was_measured_is_kept_for_the_next_build(vendor: Vendor, small: tuple[Path, Graph]) -> None:
    vendor.open(*small).close()
    vendor.open(*small, size=(64, 64)).close()
    (timing,) = vendor.cache.glob("timing-*")
    assert timing.name == "timing-11.4.0.106-Fake-Orin-8.7.cache"
    assert timing.read_bytes() == b"measured;measured;"
    timing.write_bytes(b"damaged")
    vendor.open(*small, size=(32, 32)).close()
    assert timing.read_bytes() == b"measured;"


def test_a_bundle_in_planar_layout(vendor: Vendor, tmp_path: Path) -> None:
    path, graph = graph_of(make_bundle(tmp_path / "b", roles=("segmentation",), layout="NCHW"), "segmentation")
    engine, truth = vendor.open(path, graph), reference(path, graph)
    image = pixels(1, 3, 72, 96)
    np.testing.assert_array_equal(engine.run(image), truth.run(image))
    engine.close()


def test_without_a_size_the_plan_grows_with_the_frames(vendor: Vendor, small: tuple[Path, Graph]) -> None:
    engine, truth = vendor.open(*small, size=None), reference(*small)
    for height, width in ((72, 96), (720, 640), (480, 648), (72, 96)):
        image = pixels(1, height, width, 3)
        np.testing.assert_allclose(engine.run(image), truth.run(image), atol=1e-5)
    assert len(vendor.plans()) == 3  # 640x480, 640x720, 648x720
    engine.submit(pixels(1, 72, 96, 3))
    with pytest.raises(EngineError, match="in flight"):
        engine.submit(pixels(1, 72, 960, 3))
    engine.close()


def _refuse_to_load(*_: object) -> None:
    raise MissingDependencyError("TensorRT cannot be imported")


def test_without_the_first_plan_every_batch_is_refused(
    vendor: Vendor, small: tuple[Path, Graph], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The larger plan is not to be had for a reason that is no EngineError, and then the first one neither."""
    engine = vendor.open(*small, size=None, fallback=True)
    with monkeypatch.context() as patched:
        patched.setattr("edge_runtime.engines.tensorrt.engine.load_tensorrt", _refuse_to_load)
        with pytest.raises(EngineError, match="has no TensorRT plan any more: images of 640x800 pixels"):
            engine.run(pixels(1, 800, 8, 3))
    for act in (engine.run, engine.submit):
        with pytest.raises(EngineError, match="TensorRT cannot be imported") as caught:
            act(pixels(1, 72, 96, 3))
        assert "`size`" in caught.value.fix
    with pytest.raises(EngineError, match="any more"):
        engine.collect()
    engine.close()


def test_the_first_plan_comes_back_after_any_failure(
    vendor: Vendor, small: tuple[Path, Graph], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = vendor.open(*small, size=None)
    answers = iter((_refuse_to_load, load_tensorrt))
    monkeypatch.setattr("edge_runtime.engines.tensorrt.engine.load_tensorrt", lambda: next(answers)())
    with pytest.raises(EngineError, match="cannot run images of 640x800 pixels: TensorRT cannot be imported"):
        engine.run(pixels(1, 800, 8, 3))
    assert engine.run(pixels(1, 72, 96, 3)).shape == (1, 1, 72, 96)
    engine.close()
    with pytest.raises(EngineError, match="it was closed"):
        engine.run(pixels(1, 72, 96, 3))


def test_a_plan_that_cannot_grow_stays_and_is_not_built_again(
    vendor: Vendor, small: tuple[Path, Graph], caplog: pytest.LogCaptureFixture
) -> None:
    engine = vendor.open(*small, size=None, fallback=True)
    vendor.use(fault="crash")
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            with pytest.raises(EngineError, match=r"cannot run images of 640x800 pixels: .*SIGKILL"):
                engine.run(pixels(1, 800, 8, 3))
            assert engine.run(pixels(1, 72, 96, 3)).shape == (1, 1, 72, 96)
    assert caplog.text.count("this takes minutes") == 1
    with pytest.raises(EngineError, match="cannot run a batch"):
        engine.run(pixels(1, 72, 96, 4))
    engine.close()
