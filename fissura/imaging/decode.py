"""A probability map becomes a list of cracks.

Coordinates. A pixel's integer coordinate is its centre: the centre of the frame's top left pixel is (0, 0), the frame
reaches from -0.5 to width - 0.5. Pixel i of a map of `scale` pixels per camera pixel lies at the camera coordinate
(i + 0.5) / scale - 0.5. All sizes are camera-frame pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fissura.errors import ImageError, ModelShapeError
from fissura.imaging.components import Points
from fissura.imaging.find import Found
from fissura.imaging.images import Mask
from fissura.imaging.implementation import NUMPY, Implementation
from fissura.messages import GEOMETRIES_ADAPTER, CrackGeometry
from fissura.polygon import Polygon

MIN_LENGTH_PX = 10.0
OUTLINE_TOLERANCE = 0.5
MAX_OUTLINE_POINTS = 512


@dataclass(frozen=True)
class Crack:
    """One crack found in a frame.

    Attributes:
        geometry: size, place and outline, in camera-frame pixels and, with a known GSD, millimetres.
        confidence: mean probability over the crack's pixels, at the temperature, 0 to 1.
    """

    geometry: CrackGeometry
    confidence: float


def find_cracks(
    probability: NDArray[np.float32],
    *,
    threshold: float,
    low_threshold: float | None = None,
    temperature: float = 1.0,
    scale: int = 1,
    gsd_mm_per_px: float | None = None,
    min_length_px: float = MIN_LENGTH_PX,
    keep: Mask | None = None,
    implementation: Implementation = NUMPY,
) -> list[Crack]:
    """Cracks as 8-connected components of the pixels at or above the threshold.

    With hysteresis they are the components of the pixels at or above the low threshold that hold a pixel at or above
    the threshold.

    The outline runs through the centres of the component's outermost pixels, simplified to within half a pixel of the
    map; a ragged one is simplified further until it has at most 512 points. What a crack network encloses is not
    filled for the measurement, though the outline runs around all of it.

    Args:
        probability: (H * scale, W * scale) float32, 0 to 1; not-a-number is background.
        threshold: pixels at and above it are crack.
        low_threshold: of hysteresis, not above the threshold; None: the threshold alone decides.
        temperature: of the confidences alone; see `tempered`.
        scale: map pixels per camera pixel along each axis.
        gsd_mm_per_px: ground sampling distance of the camera frame; None leaves the millimetres out.
        min_length_px: shorter ones are left out; camera-frame pixels.
        keep: (H, W) bool in camera-frame pixels: where to look; None is everywhere. A crack is cut at its edge, and
            what lies beyond holds nothing together.
        implementation: who does the work; the cracks are the same.

    Returns:
        The cracks, longest first.

    Raises:
        ModelShapeError: the map is not two-dimensional or no multiple of the scale.
        ImageError: `keep` has another size than the camera frame.
    """
    found = implementation.find(
        probability,
        threshold=threshold,
        low_threshold=low_threshold,
        keep=_at_map_size(keep, probability.shape, scale),
        temperature=temperature,
        min_length_px=min_length_px * scale,
    )
    if not found.order:
        return []
    confidences = found.confidences.tolist()
    return [
        Crack(geometry, confidences[number])
        for number, geometry in zip(found.order, _geometries(found, scale, gsd_mm_per_px), strict=True)
    ]


def _at_map_size(keep: Mask | None, shape: tuple[int, ...], scale: int) -> Mask | None:
    """Where to look in a map of that shape, once it is clear that the map and the mask fit."""
    if len(shape) != 2 or shape[0] % scale or shape[1] % scale:
        raise ModelShapeError(
            f"the probability map has the shape {shape}",
            expected=f"two axes, each a multiple of the scale {scale}",
        )
    if keep is None:
        return None
    height, width = shape
    if keep.shape != (height // scale, width // scale):
        raise ImageError(
            f"the mask of the region of interest is {keep.shape[1]}x{keep.shape[0]} pixels",
            expected=f"the size of the camera frame: {width // scale}x{height // scale}",
        )
    look_here = np.ascontiguousarray(keep).view(np.uint8)
    return cv2.resize(look_here, (width, height), interpolation=cv2.INTER_NEAREST).view(bool)


def _geometries(found: Found, scale: int, gsd_mm_per_px: float | None) -> list[CrackGeometry]:
    """Of the components that are long enough, longest first.

    The few numbers of a frame become Python's: each function of numpy costs more than they do. Pydantic is asked once.
    """
    simplified = [_simplified(outline) for outline in found.outlines]
    corners = _in_camera_pixels(np.concatenate(simplified).reshape(-1, 2), scale)
    polygons = Polygon.parts(corners, accumulate(map(len, simplified)))
    lengths, mean_widths = found.sizes.length_px.tolist(), found.sizes.mean_width_px.tolist()
    max_widths, areas = found.sizes.max_width_px.tolist(), found.sizes.area_px.tolist()
    geometries: list[dict[str, Any]] = []
    for number, (left, top, width, height), polygon in zip(found.order, found.boxes, polygons, strict=True):
        length, mean_width, max_width = lengths[number] / scale, mean_widths[number] / scale, max_widths[number] / scale
        values = {
            "length_px": length,
            "mean_width_px": mean_width,
            "max_width_px": max_width,
            "area_px": areas[number] / scale**2,
            "bbox_px": (left / scale - 0.5, top / scale - 0.5, width / scale, height / scale),
            "polygon_px": polygon,
        }
        if gsd_mm_per_px is not None:
            values |= {
                "length_mm": length * gsd_mm_per_px,
                "mean_width_mm": mean_width * gsd_mm_per_px,
                "max_width_mm": max_width * gsd_mm_per_px,
            }
        geometries.append(values)
    return GEOMETRIES_ADAPTER.validate_python(geometries)


def _in_camera_pixels(points: Points, scale: int) -> NDArray[np.int32 | np.float64]:
    """From places in the map."""
    return points if scale == 1 else (points + 0.5) / scale - 0.5


def _simplified(outline: Points) -> Points:
    """(n, 1, 2) fewer points of an outline."""
    tolerance = OUTLINE_TOLERANCE
    simplified = cv2.approxPolyDP(outline, tolerance, closed=True)
    while len(simplified) > MAX_OUTLINE_POINTS:
        tolerance *= 2
        simplified = cv2.approxPolyDP(outline, tolerance, closed=True)
    return simplified
