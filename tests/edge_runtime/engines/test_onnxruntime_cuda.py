"""ONNX Runtime on a GPU: the same probabilities as on the CPU; refused where there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from edge_runtime.engines import open_engine
from fissura.bundle import load_bundle
from fissura.errors import MissingDependencyError
from fissura.imaging.encode import encode
from fissura.imaging.images import read_rgb

ROOT = Path(__file__).parents[3]
TINY = ROOT / "examples" / "bundles" / "tiny"
HAS_CUDA = "CUDAExecutionProvider" in onnxruntime.get_available_providers()


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_CUDA, reason="this ONNX Runtime has no CUDAExecutionProvider: needs onnxruntime-gpu, a GPU")
def test_probabilities_are_those_of_the_cpu() -> None:
    bundle = load_bundle(TINY)
    for role in ("segmentation", "fused"):
        graph, path = bundle.graph(role), bundle.graph_path(role)
        cpu = open_engine("onnxruntime", path, graph, {})
        cuda = open_engine("onnxruntime", path, graph, {"device": "cuda"})
        assert cuda.name.startswith("onnxruntime-cuda ")
        for image in sorted((ROOT / "examples" / "images" / "images").iterdir()):
            batch, _ = encode(read_rgb(image), graph.input)
            assert np.abs(cpu.run(batch).copy() - cuda.run(batch)).max() <= 1e-3


@pytest.mark.skipif(HAS_CUDA, reason="this ONNX Runtime has CUDA")
def test_no_gpu_is_said_at_once() -> None:
    bundle = load_bundle(TINY)
    with pytest.raises(MissingDependencyError, match="has no CUDAExecutionProvider") as caught:
        open_engine("onnxruntime", bundle.graph_path("segmentation"), bundle.graph("segmentation"), {"device": "cuda"})
    assert "onnxruntime-gpu" in caught.value.fix
