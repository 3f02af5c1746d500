"""Graphs on the engine that the vehicle runs, with the vehicle's encoding around it: what holds here holds there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from edge_runtime.engines import open_engine
from edge_runtime.stages import StageTimes
from edge_runtime.step import Step
from export.onnx import ExportedGraph
from fissura.bundle import Bundle, Graph, Role
from fissura.imaging.images import RgbImage

ENGINE = "onnxruntime"  # the one that every vehicle has; its options are the vehicle's defaults
UNDECIDED = 0.5  # an engine does not look at the threshold, but a manifest's entry must have one

# A frame (H, W, 3) uint8 RGB in, (H*scale, W*scale) probabilities or an (H*scale, W*scale, 3) image out, float32.
# The output is good until the next call.
Run = Callable[[RgbImage], NDArray[np.float32]]


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
        with _running(graph.role, path, entry) as run:
            yield run


@contextmanager
def running_stored(bundle: Bundle, role: Role) -> Iterator[Run]:
    """A graph of a bundle.

    Raises:
        BundleError: the bundle holds no graph of that role.
        EngineError, ModelShapeError: see `running`.
    """
    with _running(role, bundle.graph_path(role), bundle.graph(role)) as run:
        yield run


@contextmanager
def _running(role: Role, path: Path, graph: Graph) -> Iterator[Run]:
    engine = open_engine(ENGINE, path, graph, {})
    step, times = Step(role, graph, engine), StageTimes()
    try:
        yield lambda frame: step.run(frame, times)
    finally:
        engine.close()
