"""Inference engines by kind. Adding one: a file here and a line below."""

from __future__ import annotations

from pathlib import Path

from edge_runtime.engines.engine import Engine
from edge_runtime.plugins import load_class
from fissura.bundle import Graph
from fissura.config import parse_config
from fissura.errors import ConfigError

ENGINES: dict[str, str] = {
    "onnxruntime": "edge_runtime.engines.onnxruntime:OnnxRuntimeEngine",
    "tensorrt": "edge_runtime.engines.tensorrt.engine:TensorRtEngine",
    "openvino": "edge_runtime.engines.openvino:OpenVinoEngine",
}
AUTO = "auto"  # whichever of them is right and fastest here; see `edge_runtime.engine_choice`


def open_engine(kind: str, path: Path, graph: Graph, options: dict[str, object]) -> Engine:
    """Load a graph into an engine.

    Args:
        kind: a row of the table.
        path: the ONNX file.
        graph: what the manifest says about it.
        options: of the engine's configuration class.

    Raises:
        ConfigError: unknown engine or option.
        EngineError: the file cannot be loaded.
        ModelShapeError: its inputs or outputs are not what the manifest says.
    """
    if kind not in ENGINES:
        raise ConfigError(f"there is no engine {kind!r}", expected=f"one of: {', '.join(ENGINES)}")
    engine_class = load_class(ENGINES[kind])
    config = parse_config(engine_class.config_class, options, origin=f"engine {kind}")
    engine: Engine = engine_class(path, graph, config)
    return engine
