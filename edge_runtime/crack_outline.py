"""The outline of a crack as evenly spaced points, which move along with the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_runtime.registration import Transform
from fissura.messages import CrackGeometry

LEAST_POINTS, MOST_POINTS = 8, 256  # enough for a share of them to mean something; more say nothing new
LEAST_DEPTH = 0.1  # of a perspective: what is nearer to its horizon lies far outside of any picture


@dataclass(frozen=True, eq=False)
class Outline:
    """Where a crack is.

    Attributes:
        points: (n, 2) float64 x and y in camera-frame pixels, in their order around the crack.
        width_px: of the crack, its mean.
    """

    points: NDArray[np.float64]
    width_px: float

    @classmethod
    def of(cls, crack: CrackGeometry, spacing_px: float) -> Outline:
        """Points on the crack's polygon, whose own corners are few where it is straight.

        Args:
            crack: a measured one.
            spacing_px: from point to point, unless they would be too few or too many.
        """
        corners = np.asarray(crack.polygon_px.points, np.float64)
        closed = np.concatenate((corners, corners[:1]))
        way = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))))[: len(closed)]
        if not len(corners):
            return cls(corners, crack.mean_width_px)
        count = int(min(max(way[-1] / spacing_px, LEAST_POINTS), MOST_POINTS))
        at = np.linspace(0, way[-1], count, endpoint=False)
        points = np.stack((np.interp(at, way, closed[:, 0]), np.interp(at, way, closed[:, 1])), axis=1)
        return cls(points, crack.mean_width_px)

    def moved(self, transform: Transform, size: tuple[int, int]) -> Outline:
        """What of it is in view after the picture has moved.

        Args:
            transform: (3, 3) coordinates in the frame before to coordinates in this one.
            size: height and width of this one, pixels.
        """
        places = self.points @ transform[:2, :2].T + transform[:2, 2]
        places /= np.maximum(self.points @ transform[2, :2] + transform[2, 2], LEAST_DEPTH)[:, None]
        in_view = ((places >= -0.5) & (places <= (size[1] - 0.5, size[0] - 0.5))).all(axis=1)
        return Outline(places[in_view], self.width_px)
