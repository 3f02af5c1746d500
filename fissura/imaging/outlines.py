"""The outer outlines of components, by OpenCV."""

from __future__ import annotations

import cv2
import numpy as np

from fissura.imaging.components import Components, Points


def find_outlines(components: Components, numbers: list[int]) -> list[Points]:
    """Outer outlines of some of the components: (n, 1, 2) or (n, 2) places where they turn, x and y in the map.

    All at once: what a call costs is paid once, not once a crack. What lies in a hole of another component shows when
    that one is gone. (Asked for outlines in holes, OpenCV takes seconds where there are thousands of holes.)
    """
    pixels, labels, stride = components.pixels, components.labels, components.stride
    wanted = np.zeros(components.count, bool)
    wanted[numbers] = True
    canvas = np.zeros(components.canvas.shape, np.uint8)
    outlines: dict[int, Points] = {}
    while len(outlines) < len(numbers):
        canvas.reshape(-1)[pixels] = wanted.take(labels)
        contours, _ = cv2.findContours(canvas, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(-1, -1))
        x, y = np.array([contour[0, 0] for contour in contours], np.int64).T
        found = labels.take(np.searchsorted(pixels, (y + 1) * stride + x + 1))
        wanted[found] = False
        outlines.update(zip(found.tolist(), contours, strict=True))
    return [outlines[number] for number in numbers]
