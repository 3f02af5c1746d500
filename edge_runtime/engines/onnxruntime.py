"""ONNX Runtime on the CPU: the engine that runs everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray
from pydantic import Field

from edge_runtime.engines.engine import MOST_THREADS, Engine
from fissura.bundle import Graph
from fissura.config import Config
from fissura.errors import EngineError, ModelShapeError

RE_EXPORT = "export the bundle again: manifest and graph do not belong together"


class OnnxRuntimeConfig(Config):
    """Options of the engine."""

    threads: int = Field(0, ge=0, le=MOST_THREADS, description="threads of one inference; 0: one a physical core")


class OnnxRuntimeEngine(Engine):
    """An ONNX file in an ONNX Runtime session."""

    config_class: ClassVar[type[Config]] = OnnxRuntimeConfig

    def __init__(self, path: Path, graph: Graph, config: OnnxRuntimeConfig) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = config.threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors only: what is wrong comes back as an exception
        try:
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # the library raises a dozen classes without a common base
            raise EngineError(
                f"{path} cannot be loaded: {error}",
                expected=f"an ONNX graph that ONNX Runtime {ort.__version__} runs",
                fix="export the bundle again, or install a newer onnxruntime",
            ) from error
        self.name = f"onnxruntime-cpu {ort.__version__}"
        self._path = path
        self._input = graph.input.name
        self._output = graph.output.name
        self._statistics = graph.statistics
        self._check_input(graph)
        self._check_output(graph)
        self._check_by_running(graph)

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

    def _check_input(self, graph: Graph) -> None:
        inputs = self._session.get_inputs()
        if graph.statistics is not None:
            found = self._only(inputs, graph.statistics, "input", of=2)
            if found.type != "tensor(float)" or list(found.shape) != [2, 3]:
                raise ModelShapeError(
                    f"{self._path}: input {found.name!r} is {found.type} of shape {found.shape}",
                    expected="tensor(float) of shape [2, 3]: mean and variance of the colours",
                    fix=RE_EXPORT,
                )
        found = self._only(inputs, graph.input.name, "input", of=1 if graph.statistics is None else 2)
        channels = 3 if graph.input.layout == "NHWC" else 1
        if found.type != "tensor(uint8)" or len(found.shape) != 4 or not _fits(found.shape[channels], 3):
            raise ModelShapeError(
                f"{self._path}: input {found.name!r} is {found.type} of shape {found.shape}",
                expected=f"tensor(uint8) in {graph.input.layout} with 3 channels, as the manifest says",
                fix=RE_EXPORT,
            )

    def _check_output(self, graph: Graph) -> None:
        found = self._only(self._session.get_outputs(), graph.output.name, "output")
        if found.type != "tensor(float)" or (found.shape and len(found.shape) != 4):
            raise ModelShapeError(
                f"{self._path}: output {found.name!r} is {found.type} of shape {found.shape}",
                expected="tensor(float) with 4 axes, as the manifest says",
                fix=RE_EXPORT,
            )

    def _only(self, nodes: list[Any], name: str, what: str, of: int | None = None) -> Any:
        """The node of that name, of so many as there should be."""
        names = [node.name for node in nodes]
        if name not in names or (of is not None and len(names) != of):
            raise ModelShapeError(
                f"{self._path}: its {what}s are {', '.join(map(repr, names))}",
                expected=f"{name!r}, as the manifest says",
                fix=RE_EXPORT,
            )
        return nodes[names.index(name)]

    def _check_by_running(self, graph: Graph) -> None:
        """Run one small black frame: symbolic shapes do not tell the scale, which must show before the first frame."""
        shape = self._session.get_inputs()[0].shape
        rows, columns = (1, 2) if graph.input.layout == "NHWC" else (2, 3)
        size = -(-max(graph.input.min_size, 1) // graph.input.multiple) * graph.input.multiple
        height, width = (axis if isinstance(axis, int) else size for axis in (shape[rows], shape[columns]))
        batch = np.zeros(
            (1, height, width, 3) if graph.input.layout == "NHWC" else (1, 3, height, width), dtype=np.uint8
        )
        channels = 1 if graph.output.kind == "probability" else 3
        scaled = (height * graph.output.scale, width * graph.output.scale)
        planar = (1, channels, *scaled)
        # A probability is (N, 1, H, W); an image has the layout of the graph's input.
        expected = (1, *scaled, channels) if channels == 3 and graph.input.layout == "NHWC" else planar
        statistics = None if graph.statistics is None else np.ones((2, 3), np.float32)
        found = self.run(batch, statistics).shape
        if found != expected:
            raise ModelShapeError(
                f"{self._path}: a batch of shape {batch.shape} gives {found}",
                expected=f"{expected}, as the manifest says",
                fix=RE_EXPORT,
            )


def _fits(axis: int | str | None, size: int) -> bool:
    return not isinstance(axis, int) or axis == size
