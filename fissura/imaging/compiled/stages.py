"""The compiled stages, with the arguments and results of those they stand for."""

from __future__ import annotations

import itertools

import numpy as np

from fissura.imaging.compiled.labels import label
from fissura.imaging.compiled.outlines import outlines
from fissura.imaging.compiled.sizes import measure
from fissura.imaging.components import Components, Indices, Points, framed
from fissura.imaging.images import Mask
from fissura.imaging.measure import Measurements


def find_components(canvas: Mask, *, min_length_px: float = 0) -> Components:
    """Like `fissura.imaging.components.find_components`; components are numbered by their first pixels."""
    pixels, labels, on_border, count = label(np.flatnonzero(canvas), canvas.shape[1], max(2.0 * min_length_px, 1.0))
    return Components(canvas, pixels, labels, on_border, count)


def measure_components(components: Components) -> Measurements:
    """Like `fissura.imaging.measure.measure_components`."""
    if not components.count:
        nothing = np.zeros(0)
        return Measurements(nothing, nothing, nothing, nothing, components.pixels)
    return Measurements(
        *measure(
            components.canvas.reshape(-1), components.pixels, components.labels, components.count, components.stride
        )
    )


def find_outlines(components: Components, numbers: Indices) -> list[Points]:
    """Like `fissura.imaging.outlines.find_outlines`."""
    points, ends = outlines(components.pixels, components.labels, components.stride, numbers)
    bounds = [0, *ends.tolist()]
    return [points[begin:end] for begin, end in itertools.pairwise(bounds)]


def compile_all() -> None:
    """Compile what is called from Python, or read it from disk, by a first call."""
    dot = np.ones((1, 1), bool)
    components = find_components(framed(dot))
    measure_components(components)
    find_outlines(components, np.zeros(1, np.int64))
