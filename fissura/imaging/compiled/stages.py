"""The compiled stages, with the arguments and results of those they stand for."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from fissura.imaging.compiled.labels import label
from fissura.imaging.compiled.neighbours import Table, table_of
from fissura.imaging.compiled.outlines import outlines
from fissura.imaging.compiled.sizes import measure
from fissura.imaging.components import Components, Indices, Points, framed
from fissura.imaging.images import Mask
from fissura.imaging.measure import Measurements


@dataclass(frozen=True)
class Listed(Components):
    """Components whose stages need not look for the neighbours of each pixel anew.

    Attributes:
        table: (n + 1, 8) see `neighbours_of`.
    """

    table: Table


def find_components(canvas: Mask, *, min_length_px: float = 0) -> Components:
    """Like `fissura.imaging.components.find_components`; components are numbered by their first pixels."""
    least_sides = max(2.0 * min_length_px, 1.0)
    pixels, labels, on_border, count, table = label(np.flatnonzero(canvas), canvas.shape[1], least_sides)
    return Listed(canvas, pixels, labels, on_border, count, table)


def measure_components(components: Components) -> Measurements:
    """Like `fissura.imaging.measure.measure_components`."""
    if not components.count:
        nothing = np.zeros(0)
        return Measurements(nothing, nothing, nothing, nothing, components.pixels)
    canvas = components.canvas.reshape(-1)
    stride, table = components.stride, _table(components)
    return Measurements(*measure(canvas, components.pixels, components.labels, components.count, stride, table))


def find_outlines(components: Components, numbers: Indices) -> list[Points]:
    """Like `fissura.imaging.outlines.find_outlines`."""
    points, ends = outlines(components.pixels, components.labels, components.stride, _table(components), numbers)
    bounds = [0, *ends.tolist()]
    return [points[begin:end] for begin, end in itertools.pairwise(bounds)]


def compile_all() -> None:
    """Compile what is called from Python, or read it from disk, by a first call."""
    dot = np.ones((1, 1), bool)
    components = find_components(framed(dot))
    measure_components(components.only(np.ones(1, bool)))
    find_outlines(components, np.zeros(1, np.int64))


def _table(components: Components) -> Table:
    if isinstance(components, Listed):
        return components.table
    return table_of(components.pixels, components.stride)
