"""Whether a loaded graph is what the manifest says: its inputs and outputs by name, type and shape, and a trial run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_runtime.statistics import Statistics
from fissura.bundle import Graph
from fissura.errors import EngineError, ModelShapeError

RE_EXPORT = "export the bundle again: manifest and graph do not belong together"
Run = Callable[[NDArray[np.uint8], Statistics | None], NDArray[np.float32]]


@dataclass(frozen=True)
class Port:
    """An input or an output of a loaded graph.

    Attributes:
        name: of the tensor.
        type: as ONNX writes it: ``tensor(uint8)``.
        shape: sizes; a name or None where a size is free; empty where not even the number of axes is known.
    """

    name: str
    type: str
    shape: tuple[int | str | None, ...]


def check_graph(path: Path, graph: Graph, inputs: Sequence[Port], outputs: Sequence[Port], run: Run) -> Port:
    """Compare a loaded graph with its entry in the manifest; returns the image's input.

    Args:
        path: of the graph, for the message.
        graph: the entry.
        inputs: of the loaded graph.
        outputs: of the loaded graph.
        run: the engine's; is called on a small black frame, and on two where the batch axis is free.

    Raises:
        ModelShapeError: they differ.
        EngineError: the engine cannot run the graph.
    """
    image = check_ports(path, graph, inputs, outputs)
    check_by_running(path, graph, image, run)
    if has_free_batch(image):
        _check_two_at_once(path, graph, image, run)
    return image


def has_free_batch(image: Port) -> bool:
    """Whether an image input takes several images at once."""
    return bool(image.shape) and not isinstance(image.shape[0], int)


def check_ports(path: Path, graph: Graph, inputs: Sequence[Port], outputs: Sequence[Port]) -> Port:
    """Compare inputs and outputs with the manifest, before anything runs; returns the image's.

    Raises:
        ModelShapeError: they differ.
    """
    image = _check_inputs(path, graph, inputs)
    _check_output(path, graph, outputs)
    return image


def _check_inputs(path: Path, graph: Graph, inputs: Sequence[Port]) -> Port:
    if graph.statistics is not None:
        found = _named(path, inputs, graph.statistics, "input", of=2)
        if found.type != "tensor(float)" or found.shape != (2, 3):
            raise ModelShapeError(
                f"{path}: input {found.name!r} is {found.type} of shape {list(found.shape)}",
                expected="tensor(float) of shape [2, 3]: mean and variance of the colours",
                fix=RE_EXPORT,
            )
    found = _named(path, inputs, graph.input.name, "input", of=1 if graph.statistics is None else 2)
    channels = 3 if graph.input.layout == "NHWC" else 1
    if found.type != "tensor(uint8)" or len(found.shape) != 4 or not _fits(found.shape[channels], 3):
        raise ModelShapeError(
            f"{path}: input {found.name!r} is {found.type} of shape {list(found.shape)}",
            expected=f"tensor(uint8) in {graph.input.layout} with 3 channels, as the manifest says",
            fix=RE_EXPORT,
        )
    return found


def _check_output(path: Path, graph: Graph, outputs: Sequence[Port]) -> None:
    found = _named(path, outputs, graph.output.name, "output")
    if found.type != "tensor(float)" or (found.shape and len(found.shape) != 4):
        raise ModelShapeError(
            f"{path}: output {found.name!r} is {found.type} of shape {list(found.shape)}",
            expected="tensor(float) with 4 axes, as the manifest says",
            fix=RE_EXPORT,
        )


def _named(path: Path, ports: Sequence[Port], name: str, what: str, of: int | None = None) -> Port:
    """The port of that name, of so many as there should be."""
    names = [port.name for port in ports]
    if name not in names or (of is not None and len(names) != of):
        raise ModelShapeError(
            f"{path}: its {what}s are {', '.join(map(repr, names))}",
            expected=f"{name!r}, as the manifest says",
            fix=RE_EXPORT,
        )
    return ports[names.index(name)]


def check_by_running(path: Path, graph: Graph, image: Port, run: Run, images: int = 1) -> None:
    """Run small black frames: symbolic shapes do not tell the scale, which must show before the first frame.

    Args:
        path: of the graph, for the message.
        graph: its entry in the manifest.
        image: the image's input.
        run: the engine's.
        images: how many at once.

    Raises:
        ModelShapeError: the output is not of the shape that the manifest promises.
        EngineError: the engine cannot run the graph.
    """
    rows, columns = (1, 2) if graph.input.layout == "NHWC" else (2, 3)
    size = -(-max(graph.input.min_size, 1) // graph.input.multiple) * graph.input.multiple
    height, width = (axis if isinstance(axis, int) else size for axis in (image.shape[rows], image.shape[columns]))
    shape = (height, width, 3) if graph.input.layout == "NHWC" else (3, height, width)
    batch = np.zeros((images, *shape), np.uint8)
    channels = 1 if graph.output.kind == "probability" else 3
    scaled = (height * graph.output.scale, width * graph.output.scale)
    planar = (images, channels, *scaled)
    # A probability is (N, 1, H, W); an image has the layout of the graph's input.
    expected = (images, *scaled, channels) if channels == 3 and graph.input.layout == "NHWC" else planar
    statistics = None if graph.statistics is None else np.ones((2, 3), np.float32)
    found = run(batch, statistics).shape
    if found != expected:
        raise ModelShapeError(
            f"{path}: a batch of shape {batch.shape} gives {found}",
            expected=f"{expected}, as the manifest says",
            fix=RE_EXPORT,
        )


def _check_two_at_once(path: Path, graph: Graph, image: Port, run: Run) -> None:
    """A graph may leave the batch open at its input and still hold one image somewhere inside."""
    try:
        check_by_running(path, graph, image, run, images=2)
    except ModelShapeError:
        raise
    except EngineError as error:
        raise ModelShapeError(
            f"{path}: input {image.name!r} has a free batch axis, but the graph does not run two images: {error.found}",
            expected="a graph that takes any number of images, or one whose input says that it takes one",
            fix="export the bundle again, with a fixed batch axis or with one that is free throughout",
        ) from error


def _fits(axis: int | str | None, size: int) -> bool:
    return not isinstance(axis, int) or axis == size
