"""A probability map becomes a list of cracks.

Coordinates. A pixel's integer coordinate is its centre: the centre of the frame's top left pixel is (0, 0), the frame
reaches from -0.5 to width - 0.5. Pixel i of a map of `scale` pixels per camera pixel lies at the camera coordinate
(i + 0.5) / scale - 0.5. All sizes are camera-frame pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fissura.errors import ImageError, ModelShapeError
from fissura.imaging.components import Components, Floats, Indices, find_components, sum_by
from fissura.imaging.images import Mask
from fissura.imaging.measure import Measurements, measure_components
from fissura.imaging.temperature import tempered
from fissura.messages import CrackGeometry, Point

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

    Returns:
        The cracks, longest first.

    Raises:
        ModelShapeError: the map is not two-dimensional or no multiple of the scale.
        ImageError: `keep` has another size than the camera frame.
    """
    canvas = _binarise(probability, threshold if low_threshold is None else low_threshold, scale, keep)
    components = find_components(canvas, min_length_px=min_length_px * scale)
    if low_threshold is not None:
        strong = components.labels[_at(probability, components) >= np.float32(threshold)]
        components = components.only(np.bincount(strong, minlength=components.count) > 0)
    sizes = measure_components(components)
    long_enough = np.flatnonzero(sizes.length_px >= min_length_px * scale)
    if not len(long_enough):
        return []
    confidences = _confidences(probability, components, temperature)
    shapes = _shapes(components)
    order = long_enough[np.argsort(-sizes.length_px[long_enough], kind="stable")]
    return [
        Crack(
            _geometry(shapes[number], sizes, number, scale, gsd_mm_per_px),
            float(confidences[number]),
        )
        for number in order
    ]


def _binarise(probability: NDArray[np.float32], threshold: float, scale: int, keep: Mask | None) -> Mask:
    if probability.ndim != 2 or probability.shape[0] % scale or probability.shape[1] % scale:
        raise ModelShapeError(
            f"the probability map has the shape {probability.shape}",
            expected=f"two axes, each a multiple of the scale {scale}",
        )
    height, width = probability.shape
    canvas = np.zeros((height + 2, width + 2), bool)
    inner = canvas[1:-1, 1:-1]
    np.greater_equal(probability, threshold, out=inner)
    if keep is not None:
        if keep.shape != (height // scale, width // scale):
            raise ImageError(
                f"the mask of the region of interest is {keep.shape[1]}x{keep.shape[0]} pixels",
                expected=f"the size of the camera frame: {width // scale}x{height // scale}",
            )
        look_here = np.ascontiguousarray(keep).view(np.uint8)
        inner &= cv2.resize(look_here, (width, height), interpolation=cv2.INTER_NEAREST).view(bool)
    return canvas


def _confidences(probability: NDArray[np.float32], components: Components, temperature: float) -> Floats:
    values = tempered(_at(probability, components), temperature)
    total = sum_by(components.labels, values, components.count)
    return total / np.bincount(components.labels, minlength=components.count)


def _at(probability: NDArray[np.float32], components: Components) -> NDArray[np.float32]:
    """(n,) the components' pixels in the map, which has no frame around it."""
    y, x = np.divmod(components.pixels, components.stride)
    return probability[y - 1, x - 1]


@dataclass(frozen=True)
class _Shape:
    """The pixels of one component, x and y in the map, and the box around them."""

    x: Indices
    y: Indices
    left: int
    top: int
    width: int
    height: int

    def crop(self) -> NDArray[np.uint8]:
        """(height, width) of the box, 1 where the component is."""
        crop = np.zeros((self.height, self.width), np.uint8)
        crop[self.y - self.top, self.x - self.left] = 1
        return crop


def _shapes(components: Components) -> list[_Shape]:
    """All components at once: what a call costs is paid once, not once a crack."""
    order = np.argsort(components.labels, kind="stable")
    y, x = np.divmod(components.pixels[order], components.stride)
    x, y = x - 1, y - 1  # the canvas has a frame of one pixel
    ends = np.cumsum(np.bincount(components.labels, minlength=components.count))
    starts = np.concatenate([[0], ends[:-1]])  # no component is empty
    left, top = np.minimum.reduceat(x, starts), np.minimum.reduceat(y, starts)
    width, height = np.maximum.reduceat(x, starts) - left + 1, np.maximum.reduceat(y, starts) - top + 1
    boxes = np.stack([starts, ends, left, top, width, height], axis=1).tolist()
    return [_Shape(x[start:end], y[start:end], *box) for start, end, *box in boxes]


def _geometry(
    shape: _Shape, sizes: Measurements, number: int, scale: int, gsd_mm_per_px: float | None
) -> CrackGeometry:
    left, top, width, height = shape.left, shape.top, shape.width, shape.height
    outline = (_outline(shape.crop()) + (left, top) + 0.5) / scale - 0.5
    length, mean_width, max_width = (
        float(values[number]) / scale for values in (sizes.length_px, sizes.mean_width_px, sizes.max_width_px)
    )
    millimetres = {}
    if gsd_mm_per_px is not None:
        millimetres = {
            "length_mm": length * gsd_mm_per_px,
            "mean_width_mm": mean_width * gsd_mm_per_px,
            "max_width_mm": max_width * gsd_mm_per_px,
        }
    points: list[Point] = [(px, py) for px, py in outline.tolist()]
    return CrackGeometry(
        length_px=length,
        mean_width_px=mean_width,
        max_width_px=max_width,
        area_px=float(sizes.area_px[number]) / scale**2,
        bbox_px=(left / scale - 0.5, top / scale - 0.5, width / scale, height / scale),
        polygon_px=tuple(points),
        **millimetres,
    )


def _outline(component: NDArray[np.uint8]) -> Floats:
    """(n, 2) outer outline of the one component in a crop, x and y in the crop's pixels."""
    contours, _ = cv2.findContours(component, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    tolerance = OUTLINE_TOLERANCE
    outline = cv2.approxPolyDP(contours[0], tolerance, closed=True)
    while len(outline) > MAX_OUTLINE_POINTS:
        tolerance *= 2
        outline = cv2.approxPolyDP(contours[0], tolerance, closed=True)
    return outline.reshape(-1, 2).astype(np.float64)
