"""All that is compiled of `find_cracks`, in one call.

Each value that goes from Python to machine code or back costs a few microseconds where the caches are cold, as they are
once a frame: as much as the work itself.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from fissura.imaging.compiled.jit import kept
from fissura.imaging.compiled.outlines import outlines_of
from fissura.imaging.compiled.scan import scan
from fissura.imaging.compiled.sizes import measure
from fissura.imaging.components import Floats, Indices, Points
from fissura.imaging.find import Found, longest_first, mean_by
from fissura.imaging.images import Mask
from fissura.imaging.measure import Measurements

Scalar = TypeVar("Scalar", bound=np.generic)

EVERYWHERE = np.zeros((0, 0), bool)


def find(
    probability: NDArray[np.float32],
    *,
    threshold: float,
    low_threshold: float | None = None,
    keep: Mask | None = None,
    temperature: float = 1.0,
    min_length_px: float = 0,
) -> Found:
    """Like `fissura.imaging.find.find`; components are numbered by their first pixels."""
    sizes_px, skeleton, confidences, labels, values, points, bounds = _find(
        _plain(probability),
        float(threshold if low_threshold is None else low_threshold),
        float(threshold),
        EVERYWHERE if keep is None else _plain(keep),
        float(2 * min_length_px),  # the sum of all outlines is at least twice the length
    )
    length_px, mean_width_px, max_width_px, area_px = sizes_px
    sizes = Measurements(length_px, mean_width_px, max_width_px, area_px, skeleton)
    if temperature != 1:  # logarithms are numpy's affair, whose last bits are others than those of machine code
        confidences = mean_by(labels, values, temperature, area_px)
    order = longest_first(length_px, min_length_px)
    boxes_and_ends = bounds.tolist()
    begins = [0, *(end for *_, end in boxes_and_ends)]
    outlines = [points[begins[number] : begins[number + 1]] for number in order]
    return Found(sizes, confidences, order, outlines, [boxes_and_ends[number][:4] for number in order])


def _plain(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """Without gaps, and writable: other arrays are of other types to numba, which would compile anew for them."""
    return array if array.flags.carray else np.require(array, requirements=("C", "W"))


@kept
def _find(
    probability: NDArray[np.float32], low_threshold: float, threshold: float, keep: Mask, least_sides: float
) -> tuple[Floats, Indices, Floats, Indices, NDArray[np.float32], Points, Indices]:
    """Scan, measure and outline.

    Args:
        probability, low_threshold, threshold, keep, least_sides: see `scan`.

    Returns:
        (4, count) length, mean width, largest width and area of each component; the pixels of all skeletons; the mean
        of the probabilities of each component's pixels; the component of each pixel; its probability; the corners of
        all outlines, and (count, 5) their bounds, see `outlines_of`.
    """
    stride = probability.shape[1] + 2
    pixels, labels, values, count, table = scan(
        probability, np.float32(low_threshold), np.float32(threshold), keep, least_sides
    )
    sizes, skeleton = measure(pixels, labels, count, stride, table)
    total = np.zeros(count)
    for k in range(len(labels)):
        total[labels[k]] += min(max(values[k], np.float32(0)), np.float32(1))
    points, bounds = outlines_of(pixels, labels, count, stride, table)
    return sizes, skeleton, total / sizes[3], labels, values, points, bounds


def compile_all() -> None:
    """Compile what is called from Python, or read it from disk, by a first call."""
    find(np.ones((1, 1), np.float32), threshold=0.5)
