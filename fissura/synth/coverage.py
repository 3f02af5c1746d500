"""How much of each pixel a crack covers, and the mask that follows from it."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from fissura.imaging.images import Mask
from fissura.synth.crack import Points, Trace
from fissura.synth.noise import Field

MASK_COVERAGE = 0.5
MAX_THICKNESS = 32767  # OpenCV's


def cover(coverage: Field, trace: Trace) -> None:
    """Raise each pixel's coverage to the share of its area that lies inside the crack.

    It is exact where the crack is straight, at any angle, but for its two ends; bends are taken as straight within a
    pixel. So a hairline of 0.6 px is a faint line whose pixels add up to 0.6 of its length.

    Args:
        coverage: (H, W) float32 in [0, 1], changed in place.
        trace: the crack.
    """
    x, y = _near(trace, *coverage.shape)
    if not len(x):
        return
    pixels = np.stack([x, y], 1).astype(np.float64)
    _, nearest = cKDTree(trace.points).query(pixels)
    aside, overshoot, left, right, slope = _across(trace, pixels, nearest)
    across = _share_below(left - aside, slope) - _share_below(-right - aside, slope)
    covered = across * np.clip(0.5 - overshoot, 0, 1)
    coverage[y, x] = np.maximum(coverage[y, x], covered)


def mask_of(coverage: Field, traces: list[Trace]) -> Mask:
    """Pixels of which a crack covers half or more, and those that a centre line passes through.

    The second part gives a hairline, which covers no pixel by half, a mask of one pixel's width.

    Args:
        coverage: (H, W), the largest of all cracks.
        traces: the cracks.

    Returns:
        (H, W) bool.
    """
    mask = coverage >= MASK_COVERAGE
    height, width = mask.shape
    for trace in traces:
        x, y = np.rint(_dense(trace.points)).astype(int).T
        inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
        mask[y[inside], x[inside]] = True
    return mask


def _near(trace: Trace, height: int, width: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pixels that the crack may reach."""
    reach = math.ceil(max(trace.left_px.max(), trace.right_px.max())) + 1
    low = np.maximum(np.floor(trace.points.min(axis=0)).astype(int) - reach, 0)
    high = np.minimum(np.ceil(trace.points.max(axis=0)).astype(int) + reach + 1, (width, height))
    columns, rows = np.maximum(high - low, 0)
    canvas = np.zeros((rows, columns), np.uint8)
    if not canvas.size:
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    fractional_bits = 4
    points = np.rint((trace.points - low) * 2**fractional_bits).astype(np.int32)
    thickness = min(2 * reach + 1, MAX_THICKNESS)
    cv2.polylines(canvas, [points], isClosed=False, color=255, thickness=thickness, shift=fractional_bits)
    y, x = np.nonzero(canvas)
    return x + low[0], y + low[1]


def _share_below(distance: Points, slope: Points) -> Points:
    """Share of a pixel's area on the near side of a straight line at a signed distance from its centre.

    Args:
        distance: pixels along the line's normal.
        slope: the larger one of the normal's two components, at least sqrt(1/2).

    Returns:
        0 to 1. Seen along the line, a pixel is a trapezium: flat up to `flat`, then falling to zero at `reach`.
    """
    other = np.sqrt(np.maximum(1 - slope * slope, 0))
    flat, reach = (slope - other) / 2, (slope + other) / 2
    size = np.minimum(np.abs(distance), reach)
    beyond = np.maximum(size - flat, 0)
    area = (size - beyond**2 / np.maximum(2 * other, 1e-9)) / slope
    return 0.5 + np.copysign(np.minimum(area, 0.5), distance)


def _across(trace: Trace, pixels: Points, nearest: NDArray[np.intp]) -> tuple[Points, ...]:
    """What the nearest piece of the centre line is to each pixel.

    Returns:
        Signed distance to the line, distance beyond its ends, the left and the right edge's distance from it, and the
        larger component of its normal.
    """
    last = len(trace.points) - 2
    best: tuple[Points, ...] | None = None
    for segment in (np.clip(nearest - 1, 0, last), np.clip(nearest, 0, last)):
        start = trace.points[segment]
        along = trace.points[segment + 1] - start
        length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)
        along /= length[:, None]
        offset = pixels - start
        forward = (offset * along).sum(1)
        aside = along[:, 0] * offset[:, 1] - along[:, 1] * offset[:, 0]
        # Flat ends: beyond the first and the last point, the way along the line counts apart.
        overshoot = np.where(segment == 0, -forward, -np.inf)
        overshoot = np.maximum(overshoot, np.where(segment == last, forward - length, -np.inf))
        share = np.clip(forward / length, 0, 1)
        rest = forward - share * length
        distance = np.hypot(aside, rest)
        signed = np.where(overshoot > 0, aside, np.copysign(distance, aside))
        left = trace.left_px[segment] + share * (trace.left_px[segment + 1] - trace.left_px[segment])
        right = trace.right_px[segment] + share * (trace.right_px[segment + 1] - trace.right_px[segment])
        candidate = (distance, signed, overshoot, left, right, np.abs(along).max(axis=1))
        if best is None:
            best = candidate
        else:
            closer = distance < best[0]
            best = tuple(np.where(closer, new, old) for new, old in zip(candidate, best, strict=True))
    assert best is not None
    return best[1:]


def _dense(points: Points) -> Points:
    """The polyline at steps of at most about a quarter of a pixel."""
    steps = np.hypot(*np.diff(points, axis=0).T)
    travelled = np.concatenate([[0.0], np.cumsum(steps)])
    at = np.union1d(travelled, np.linspace(0, travelled[-1], math.ceil(4 * travelled[-1]) + 1))
    return np.stack([np.interp(at, travelled, points[:, axis]) for axis in (0, 1)], 1)
