"""Graphs on the engine that the vehicle runs, with the vehicle's encoding around it: what holds here holds there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from edge_runtime.engines import open_engine
from edge_runtime.step import Step
from edge_runtime.stored_graph import Run as Run
from edge_runtime.stored_graph import as_run
from export.onnx import ExportedGraph

ENGINE = "onnxruntime"  # the one that every vehicle has; its options are the vehicle's defaults
UNDECIDED = 0.5  # an engine does not look at the threshold, but a manifest's entry must have one


@contextmanager
def running(graph: ExportedGraph) -> Iterator[Run]:
    """A graph that belongs to no bundle yet.

    Raises:
        EngineError: the engine cannot load it.
        ModelShapeError: its inputs or outputs are not what the manifest is going to say.
    """
    entry = graph.entry(UNDECIDED if graph.output.kind == "probability" else None)
    with TemporaryDirectory(prefix="fissura-export-") as folder:
        path = Path(folder, graph.file)
        path.write_bytes(graph.onnx)
        engine = open_engine(ENGINE, path, entry, {})
        try:
            yield as_run(Step(graph.role, entry, engine))
        finally:
            engine.close()
