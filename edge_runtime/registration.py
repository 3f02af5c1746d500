"""How the picture moved between two camera frames.

Both frames are reduced to at most 320 pixels and to the structures between about 2 and 16 of these: neither sensor
noise nor what the camera itself adds (vignette, its own shadow) has a say in the motion. Phase correlation gives the
shift (Kuglin and Hines 1975; sub-pixel by the centroid of the peak), ECC maximises the correlation coefficient of the
overlap from there on (Evangelidis and Psarakis 2008, both in OpenCV). Whatever the method, the result is trusted by one
measure: how well the overlapping pixels correlate once they are aligned.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fissura.config import Config
from fissura.imaging.images import Mask, RgbImage

Method = Literal["phase", "ecc", "ecc-homography"]
Transform = NDArray[np.float64]
Grey = NDArray[np.float32]

MOST_PX = 320  # of the reduced frame's longer side
FINE_SIGMA_PX, COARSE_SIGMA_PX = 1.0, 6.0  # of the band that is looked at, in the reduced frame
FLAT = 0.35  # grey levels, standard deviation in the band: below this there is no texture, only rounding
ECC_STEPS, ECC_EPSILON = 40, 1e-4
CLOSE_PX = 8.0  # how far ECC may move away from the shift that it starts from, in the reduced frame


class RegistrationConfig(Config):
    """How frames are registered, and when the result is trusted."""

    method: Method = Field("ecc", description="phase: shift alone; ecc: and rotation; ecc-homography: and perspective")
    min_trust: float = Field(0.4, gt=0, lt=1, description="least correlation of the overlapping pixels, once aligned")
    min_overlap: float = Field(0.3, gt=0, le=1, description="least share of the frame that was seen in the one before")


@dataclass(frozen=True)
class Motion:
    """How the picture moved.

    Attributes:
        transform: (3, 3) coordinates in the frame before to coordinates in this one; camera-frame pixels, the centre
            of the top left pixel is (0, 0).
        trust: correlation of the overlapping pixels, once aligned; at most 1.
        overlap: share of this frame that was seen in the one before, 0 to 1.
    """

    transform: Transform
    trust: float
    overlap: float


@dataclass(frozen=True)
class View:
    """What registration keeps of a frame: as much as it needs of the next one's predecessor.

    Attributes:
        band: (h, w) float32, the reduced frame's structures; at most 320 pixels along each side.
        weight: (h, w) float32, 0 to 1, where it counts.
        to_view: (3, 3) camera-frame to reduced coordinates.
        size: height and width of the camera frame.
    """

    band: Grey
    weight: Grey
    to_view: Transform
    size: tuple[int, int]


def view_of(frame: RgbImage, keep: Mask | None = None) -> View:
    """Reduce a frame.

    Args:
        frame: (H, W, 3) uint8 RGB.
        keep: (H, W) bool, what belongs to the ground; a vehicle's bonnet does not. None: all of the frame.
    """
    height, width = frame.shape[:2]
    share = min(1.0, MOST_PX / max(height, width))
    small_width, small_height = max(1, round(share * width)), max(1, round(share * height))
    small = cv2.resize(frame, (small_width, small_height), interpolation=cv2.INTER_AREA) if share < 1 else frame
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = cv2.GaussianBlur(grey, (0, 0), FINE_SIGMA_PX)
    band = fine - cv2.GaussianBlur(grey, (0, 0), COARSE_SIGMA_PX)
    weight = np.ones_like(band)
    if keep is not None:
        weight = cv2.resize(keep.astype(np.float32), (small_width, small_height), interpolation=cv2.INTER_AREA)
        # The band next to what is left out holds traces of it.
        reach = 2 * int(COARSE_SIGMA_PX) + 1
        weight = (cv2.erode(weight, np.ones((reach, reach), np.uint8)) > 0.99).astype(np.float32)
    scale_x, scale_y = small_width / width, small_height / height
    to_view = np.array([[scale_x, 0, scale_x / 2 - 0.5], [0, scale_y, scale_y / 2 - 0.5], [0, 0, 1]])
    return View(band, weight, to_view, (height, width))


def register(before: View, now: View, config: RegistrationConfig) -> Motion | None:
    """How the picture moved from one frame to the next.

    Returns:
        None where it cannot be told: the picture was cut, shows no texture, or moved too far.
    """
    if before.size != now.size or min(before.band.shape) < 16 or _flat(before) or _flat(now):
        return None
    start = _shift(before, now)
    found = start if config.method == "phase" else _refine(before, now, start, config.method)
    trust, overlap = _agreement(before, now, found)
    if trust < config.min_trust or overlap < config.min_overlap:
        return None
    back = np.linalg.inv(now.to_view)
    transform = back @ found @ before.to_view
    return Motion(transform / transform[2, 2], trust, overlap)


def _flat(view: View) -> bool:
    where = view.weight > 0
    return not where.any() or float(view.band[where].std()) < FLAT


def _shift(before: View, now: View) -> Transform:
    window = _window(*now.band.shape)
    (x, y), _ = cv2.phaseCorrelate(before.band * before.weight, now.band * now.weight, window)
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


@lru_cache(maxsize=4)
def _window(height: int, width: int) -> Grey:
    return cv2.createHanningWindow((width, height), cv2.CV_32F)


def _refine(before: View, now: View, start: Transform, method: Method) -> Transform:
    """The shift improved by ECC; as it was where ECC loses itself."""
    rows, kind = (3, cv2.MOTION_HOMOGRAPHY) if method == "ecc-homography" else (2, cv2.MOTION_EUCLIDEAN)
    limit = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, ECC_STEPS, ECC_EPSILON)
    mask = None if bool(now.weight.all()) else (now.weight > 0).astype(np.uint8)
    try:
        _, found = cv2.findTransformECC(before.band, now.band, start[:rows].astype(np.float32), kind, limit, mask, 1)
    except cv2.error:  # it did not converge, or nothing overlaps
        return start
    refined = start.copy()
    refined[:rows] = found
    return refined if _displacement(refined, start, now.band.shape) < CLOSE_PX else start


def _displacement(a: Transform, b: Transform, shape: tuple[int, ...]) -> float:
    """Largest distance of the places that two transforms give to the corners and the centre; infinite behind them."""
    height, width = shape
    right, bottom = width - 1, height - 1
    points = np.array([[0, 0], [right, 0], [0, bottom], [right, bottom], [right / 2, bottom / 2]])
    homogeneous = np.column_stack([points, np.ones(len(points))])
    places = [homogeneous @ transform.T for transform in (a, b)]
    if min(float(place[:, 2].min()) for place in places) < 0.1:
        return float("inf")
    first, second = (place[:, :2] / place[:, 2:] for place in places)
    return float(np.hypot(*(first - second).T).max())


def _agreement(before: View, now: View, transform: Transform) -> tuple[float, float]:
    """Correlation of the overlapping pixels, and the share of the frame's pixels that overlap."""
    height, width = now.band.shape
    warped = cv2.warpPerspective(before.band, transform, (width, height), flags=cv2.INTER_LINEAR)
    weight = cv2.warpPerspective(before.weight, transform, (width, height), flags=cv2.INTER_NEAREST)
    both = (weight > 0.5) & (now.weight > 0.5)
    overlap = float(np.count_nonzero(both)) / max(1, int(np.count_nonzero(now.weight > 0.5)))
    a, b = warped[both], now.band[both]
    if len(a) < 64:
        return 0.0, overlap
    a, b = a - a.mean(), b - b.mean()
    power = float(a @ a) * float(b @ b)
    return (float(a @ b) / power**0.5 if power > 0 else 0.0), overlap
