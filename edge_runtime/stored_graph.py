"""One graph of a bundle, in an engine of any kind and at any precision that this engine runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from edge_runtime.engines import ENGINES, open_engine
from edge_runtime.engines.engine import Engine
from edge_runtime.plugins import load_class
from edge_runtime.stages import StageTimes
from edge_runtime.step import Step
from fissura.bundle import Bundle, Role, VariantName
from fissura.errors import MissingDependencyError
from fissura.imaging.images import RgbImage

# A frame (H, W, 3) uint8 RGB in, (H*scale, W*scale) probabilities or an (H*scale, W*scale, 3) image out, float32.
# The output is good until the next call.
Run = Callable[[RgbImage], NDArray[np.float32]]


def engine_class(kind: str) -> type[Engine]:
    """The class of a row of `ENGINES`.

    Raises:
        MissingDependencyError: its library is not installed.
    """
    try:
        found: type[Engine] = load_class(ENGINES[kind])
    except ImportError as error:
        raise MissingDependencyError(
            f"engine {kind} needs the Python package {error.name!r}, which cannot be imported: {error}",
            fix="`fissura doctor` says how to install it",
        ) from error
    return found


def runnable(bundle: Bundle, role: Role, kind: str) -> list[VariantName | None]:
    """The precisions of a graph that an engine runs; None, the graph as it is (fp32), comes first.

    Raises:
        BundleError: the bundle holds no graph of that role.
        MissingDependencyError: see `engine_class`.
    """
    able = engine_class(kind).variants
    return [None, *(name for name in bundle.graph(role).variants if name in able)]


def proving_options(kind: str, size: tuple[int, int], threads: int | None = None) -> dict[str, object]:
    """Options of an engine that is to be proven: nothing else may answer in its place.

    Args:
        kind: of the engine.
        size: width and height of the largest frame to come, pixels.
        threads: None: the engine's default; engines that have no such option ignore it.

    Raises:
        MissingDependencyError: see `engine_class`.
    """
    known = engine_class(kind).config_class.model_fields
    wanted: dict[str, object] = {"size": size, "fallback": False, "threads": threads}
    return {name: value for name, value in wanted.items() if name in known and value is not None}


@contextmanager
def stored_graph(
    bundle: Bundle, role: Role, variant: VariantName | None, kind: str, options: Mapping[str, object]
) -> Iterator[Step]:
    """Open a graph of a bundle; its engine is closed at the end.

    Args:
        bundle: the model.
        role: of the graph.
        variant: its precision; None: as it is (fp32).
        kind: of the engine.
        options: of the engine.

    Raises:
        BundleError: the bundle holds no graph of that role, or not in that variant.
        MissingDependencyError: the engine's library is not installed.
        EngineError, ModelShapeError, ConfigError: see `open_engine`.
    """
    engine_class(kind)  # says better than an import what is missing
    graph = bundle.graph(role, variant)
    engine = open_engine(kind, bundle.graph_path(role, variant), graph, dict(options))
    try:
        yield Step(role, graph, engine)
    finally:
        engine.close()


def as_run(step: Step) -> Run:
    """A graph in its engine as a function of a frame; nobody asks for its times."""
    times = StageTimes()
    return lambda frame: step.run(frame, times)
