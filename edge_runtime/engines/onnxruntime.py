"""ONNX Runtime: on the CPU the engine that runs everywhere; on an NVIDIA GPU where its CUDA build is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from pydantic import Field

from edge_runtime.engines.checks import Port, check_graph, has_free_batch
from edge_runtime.engines.engine import MOST_THREADS, Engine
from fissura.bundle import Graph
from fissura.config import Config
from fissura.errors import EngineError, MissingDependencyError
from fissura.onnxruntime_options import disabled_optimizers

# What CUDA has no kernel for runs on the CPU.
PROVIDERS = {"cpu": ["CPUExecutionProvider"], "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"]}
# TF32 rounds factors to 10 bits: probabilities were off by up to 2.3e-3 on an H100, without it by less than 1e-3.
OPTIONS: dict[str, list[dict[str, str]]] = {"cpu": [{}], "cuda": [{"use_tf32": "0"}, {}]}


class OnnxRuntimeConfig(Config):
    """Options of the engine."""

    threads: int = Field(0, ge=0, le=MOST_THREADS, description="threads of one inference; 0: one a physical core")
    device: Literal["cpu", "cuda"] = Field("cpu", description="cuda: an NVIDIA GPU; needs the package onnxruntime-gpu")


class OnnxRuntimeEngine(Engine):
    """An ONNX file in an ONNX Runtime session."""

    config_class: ClassVar[type[Config]] = OnnxRuntimeConfig
    any_thread: ClassVar[bool] = True

    def __init__(self, path: Path, graph: Graph, config: OnnxRuntimeConfig) -> None:
        _check_device(config.device)
        options = ort.SessionOptions()
        options.intra_op_num_threads = config.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors only: what is wrong comes back as an exception
        try:
            self._session = ort.InferenceSession(
                str(path),
                options,
                providers=PROVIDERS[config.device],
                provider_options=OPTIONS[config.device],
                disabled_optimizers=disabled_optimizers(graph.precision),
            )
        except Exception as error:  # the library raises a dozen classes without a common base
            raise EngineError(
                f"{path} cannot be loaded: {error}",
                expected=f"an ONNX graph that ONNX Runtime {ort.__version__} runs",
                fix="export the bundle again, or install a newer onnxruntime",
            ) from error
        self.name = f"onnxruntime-{config.device} {ort.__version__}" + (
            "" if graph.precision == "fp32" else f" {graph.precision}"
        )
        self._path = path
        self._check_placement(config.device)
        self._input = graph.input.name
        self._output = graph.output.name
        self._statistics = graph.statistics
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        image = check_graph(path, graph, [*map(_port, inputs)], [*map(_port, outputs)], self.run)
        self.takes_batches = has_free_batch(image)
        self.keeps_outputs = True

    def run(self, batch: NDArray[np.uint8], statistics: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        feed: dict[str, NDArray[np.generic]] = {self._input: batch}
        if self._statistics is not None and statistics is not None:
            feed[self._statistics] = statistics
        try:
            outputs: list[NDArray[np.float32]] = self._session.run([self._output], feed)
        except Exception as error:  # as above
            raise EngineError(f"{self._path.name} cannot run a batch of shape {batch.shape}: {error}") from error
        return outputs[0]

    def close(self) -> None:
        del self._session

    def _check_placement(self, device: str) -> None:
        """ONNX Runtime goes on without the GPU, and says so in its log only."""
        first = self._session.get_providers()[0]
        if first != PROVIDERS[device][0]:
            raise EngineError(
                f"ONNX Runtime runs {self._path.name} in {first}",
                expected=PROVIDERS[device][0],
                fix="look at nvidia-smi and at the versions of CUDA and cuDNN that onnxruntime-gpu wants",
            )


def _check_device(device: str) -> None:
    if PROVIDERS[device][0] not in ort.get_available_providers():
        raise MissingDependencyError(
            f"this ONNX Runtime {ort.__version__} has no {PROVIDERS[device][0]}",
            expected="a GPU build of ONNX Runtime",
            fix="pip uninstall onnxruntime && pip install onnxruntime-gpu, or leave out `device`",
        )


def _port(node: Any) -> Port:
    return Port(node.name, node.type, tuple(node.shape or ()))
