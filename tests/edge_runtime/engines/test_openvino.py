"""What OpenVINO says of itself: the precision that it really computes in."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.engines import open_engine
from edge_runtime.engines.openvino import OpenVinoEngine
from fissura.bundle import VariantName, load_bundle
from fissura.errors import ConfigError, EngineError, MissingDependencyError
from tests.edge_runtime.conftest import pavement
from tests.quantised import CONVOLUTIONS, make_quantised_bundle

WITH_OPENVINO = pytest.mark.usefixtures("openvino")


@pytest.fixture
def openvino() -> object:
    return pytest.importorskip("openvino", reason="openvino is not installed")


@pytest.fixture(scope="module")
def quantised(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_quantised_bundle(tmp_path_factory.mktemp("quantised"), [pavement(seed) for seed in range(4)])


def opened(folder: Path, variant: VariantName | None = None, **options: object) -> OpenVinoEngine:
    bundle = load_bundle(folder)
    path, graph = bundle.graph_path("segmentation", variant), bundle.graph("segmentation", variant)
    engine = open_engine("openvino", path, graph, {"threads": 1, **options})
    assert isinstance(engine, OpenVinoEngine)
    return engine


def reference(folder: Path, variant: VariantName | None = None) -> np.ndarray:
    bundle = load_bundle(folder)
    path, graph = bundle.graph_path("segmentation", variant), bundle.graph("segmentation", variant)
    return open_engine("onnxruntime", path, graph, {"threads": 1}).run(pavement(9)[None]).copy()


@WITH_OPENVINO
def test_fp32_is_fp32_unless_asked(quantised: Path) -> None:
    """OpenVINO's own choice would be bfloat16 wherever the processor has it."""
    engine = opened(quantised)
    assert engine.name.startswith("openvino-cpu 20") and engine.name.endswith(" fp32")
    assert engine.convolutions == {"fp32": CONVOLUTIONS}
    np.testing.assert_allclose(engine.run(pavement(9)[None]), reference(quantised), atol=1e-5)
    engine.close()


@WITH_OPENVINO
def test_bf16_says_so_and_is_coarser(quantised: Path, openvino: object) -> None:
    if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):  # type: ignore[attr-defined]
        with pytest.raises(EngineError, match="does not compute in bf16"):
            opened(quantised, precision="bf16")
        pytest.skip("this processor has no bfloat16")
    engine = opened(quantised, precision="bf16")
    assert engine.name.endswith(" bf16") and set(engine.convolutions) == {"bf16"}
    difference = np.abs(engine.run(pavement(9)[None]) - reference(quantised))
    assert 1e-4 < difference.max() < 0.1


@WITH_OPENVINO
@pytest.mark.parametrize("variant", ["int8-portable", "int8-cpu"])
def test_quantised_graphs_run_in_integers(quantised: Path, variant: VariantName) -> None:
    engine = opened(quantised, variant)
    assert engine.name.endswith(" int8/fp32")
    assert engine.convolutions == {"int8": CONVOLUTIONS - 1, "fp32": 1}, "the last layer stays fp32"
    output = engine.run(pavement(9)[None])
    same_file = reference(quantised, variant)
    assert np.abs(output - same_file).mean() < 0.005
    assert ((output > 0.5) == (same_file > 0.5)).mean() > 0.99


@WITH_OPENVINO
def test_sizes_take_turns(quantised: Path) -> None:
    engine = opened(quantised)
    kept = engine.run(pavement(9)[None]).copy()
    engine.run(np.zeros((1, 160, 160, 3), np.uint8))
    np.testing.assert_array_equal(engine.run(pavement(9)[None]), kept)


@WITH_OPENVINO
def test_a_frame_that_is_a_view_is_read_right(quantised: Path) -> None:
    """The frame is not copied: what lies apart in memory must not be taken for one piece."""
    engine, wide = opened(quantised), pavement(9, width=192)
    part = wide[:, ::2]
    np.testing.assert_array_equal(engine.run(part[None]).copy(), engine.run(part[None].copy()))


@WITH_OPENVINO
def test_an_unknown_precision_is_refused(quantised: Path) -> None:
    with pytest.raises(ConfigError, match="precision"):
        opened(quantised, precision="fp8")


@WITH_OPENVINO
def test_a_processor_without_the_precision_is_an_error(quantised: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenVINO itself would take fp32 and say nothing."""
    monkeypatch.setattr("edge_runtime.engines.openvino.CAPABILITY", {"bf16": "NO-SUCH"})
    with pytest.raises(EngineError, match="does not compute in bf16") as caught:
        opened(quantised, precision="bf16")
    assert "FP32" in caught.value.expected and "precision" in caught.value.fix


def test_without_the_package_the_extra_is_named(quantised: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingDependencyError, match="openvino") as caught:
        opened(quantised)
    assert "fissura[openvino]" in caught.value.fix
