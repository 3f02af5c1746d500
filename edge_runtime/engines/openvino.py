"""OpenVINO on the CPU: on many processors the fastest for INT8, and the one that has bfloat16.

OpenVINO computes in bfloat16 without being asked wherever the processor has it. So the precision is always stated, and
what the compiled graph says of its layers is part of the engine's name.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edge_runtime.engines.checks import Port, check_graph, has_free_batch
from edge_runtime.engines.engine import MOST_THREADS, Engine
from fissura.bundle import Graph, VariantName
from fissura.config import Config
from fissura.errors import EngineError, MissingDependencyError

DEVICE = "CPU"
# As OpenVINO writes element types, and as ONNX does.
TYPES = {"u8": "tensor(uint8)", "f32": "tensor(float)", "f16": "tensor(float16)"}
CAPABILITY = {"f32": "FP32", "bf16": "BF16"}
CONVOLUTIONS = ("Convolution", "Deconvolution")
PRECISION = {"i8": "int8", "u8": "int8", "f32": "fp32", "f16": "fp16"}  # as manifests write them; others as they are


class OpenVinoConfig(Config):
    """Options of the engine."""

    threads: int = Field(0, ge=0, le=MOST_THREADS, description="threads of one inference; 0: one a physical core")
    precision: Literal["f32", "bf16"] = Field(
        "f32", description="of what the file leaves in floating point; f32: what the file says is what is computed"
    )


class OpenVinoEngine(Engine):
    """An ONNX file, compiled for this processor.

    Attributes:
        convolutions: number of convolutions by the precision they really run in: int8, bf16, fp32.
    """

    config_class: ClassVar[type[Config]] = OpenVinoConfig
    any_thread: ClassVar[bool] = True
    # The portable kind it runs, and computes wrongly: see the measurements of lower precision.
    variants: ClassVar[frozenset[VariantName]] = frozenset(("fp16", "int8-cpu"))

    def __init__(self, path: Path, graph: Graph, config: OpenVinoConfig) -> None:
        openvino = _openvino()
        version = openvino.__version__.partition("-")[0]
        core = openvino.Core()
        _check_capability(core, config.precision)
        try:
            model = core.read_model(str(path))
            compiled = core.compile_model(model, DEVICE, _settings(config))
        except Exception as error:  # whatever the frontend and the plugin raise
            raise EngineError(
                f"{path} cannot be loaded: {error}",
                expected=f"an ONNX graph that OpenVINO {version} runs",
                fix="export the bundle again, or install a newer openvino",
            ) from error
        self._path = path
        self._input = graph.input.name
        self._statistics = graph.statistics
        self._request = compiled.create_infer_request()
        inputs = [_port(node, (graph.input.name, graph.statistics)) for node in model.inputs]
        outputs = [_port(node, (graph.output.name,)) for node in model.outputs]
        self._output = next((i for i, port in enumerate(outputs) if port.name == graph.output.name), 0)
        self.takes_batches = has_free_batch(check_graph(path, graph, inputs, outputs, self.run))
        self.convolutions = _convolutions(compiled)
        rest = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()  # as it came out
        self.name = f"openvino-cpu {version} {_stated(self.convolutions, PRECISION.get(rest, rest))}"

    def run(self, batch: NDArray[np.uint8], statistics: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        feed: dict[str, NDArray[np.generic]] = {self._input: batch}
        if self._statistics is not None and statistics is not None:
            feed[self._statistics] = statistics
        try:
            # No copies: the frame is read where it is, and the output stays good until the next call.
            outputs = self._request.infer(feed, share_inputs=True, share_outputs=True)
        except Exception as error:  # as above
            raise EngineError(f"{self._path.name} cannot run a batch of shape {batch.shape}: {error}") from error
        output: NDArray[np.float32] = outputs[self._output]
        return output

    def close(self) -> None:
        del self._request


def _openvino() -> Any:
    try:
        import openvino  # here: importing the runtime loads no vendor's library
    except ImportError as error:
        raise MissingDependencyError(
            f"engine openvino needs the Python package 'openvino': {error}", fix="pip install 'fissura[openvino]'"
        ) from error
    return openvino


def _check_capability(core: Any, precision: str) -> None:
    """What the processor lacks OpenVINO replaces without a word."""
    offered = core.get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")
    if CAPABILITY[precision] not in offered:
        raise EngineError(
            f"this processor does not compute in {precision}",
            expected=f"one of what it offers: {', '.join(offered)}",
            fix="leave out the engine's option `precision`",
        )


def _settings(config: OpenVinoConfig) -> dict[str, object]:
    settings: dict[str, object] = {
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": "1",
        "INFERENCE_PRECISION_HINT": config.precision,
    }
    if config.threads:
        settings["INFERENCE_NUM_THREADS"] = config.threads
    return settings


def _port(node: Any, wanted: tuple[str | None, ...]) -> Port:
    """One tensor may have several names: the wanted one, if it has it."""
    names = node.get_names()
    name = next((name for name in wanted if name is not None and name in names), "")
    element = node.get_element_type().get_type_name()
    shape = node.get_partial_shape()
    axes = () if shape.rank.is_dynamic else tuple(None if axis.is_dynamic else axis.get_length() for axis in shape)
    return Port(name or (node.get_any_name() if names else ""), TYPES.get(element, f"tensor({element})"), axes)


def _convolutions(compiled: Any) -> dict[str, int]:
    """Of the graph as it is executed, by precision."""
    counts = Counter[str]()
    for node in compiled.get_runtime_model().get_ops():
        told = {key: str(getattr(value, "value", value)) for key, value in node.get_rt_info().items()}
        if told.get("layerType") in CONVOLUTIONS:
            precision = told["runtimePrecision"]
            counts[PRECISION.get(precision, precision)] += 1
    return dict(counts)


def _stated(convolutions: dict[str, int], rest: str) -> str:
    """``int8/fp32``: convolutions in int8, all else in fp32."""
    return "/".join(sorted({*convolutions, rest}, key=lambda name: (name != "int8", name)))
