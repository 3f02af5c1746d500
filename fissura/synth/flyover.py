"""A camera flies over a large picture of pavement: what it sees, frame by frame, the truth, and how it moved.

The picture may be rendered (`fly`) or a photograph with its mask (`film`). A pose is a 3x3 matrix from frame to
picture coordinates; the centre of the top left pixel is (0, 0) in both. The picture is sampled once a frame, by cubic
interpolation; the truth is the nearest pixel of the picture's mask, so that it lies within half a pixel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fissura.config import Config
from fissura.errors import UsageError
from fissura.imaging.images import Mask, RgbImage
from fissura.synth.camera import LENS_SIGMA_PX, compress, motion_blur, sensor_noise
from fissura.synth.config import Quality, Share, SynthConfig
from fissura.synth.render import render

Transform = NDArray[np.float64]

MARGIN_PX = 4  # of the picture around all that is seen
LARGEST_PX = 16384  # side of a rendered picture


class FlyoverConfig(Config):
    """The flight and the camera."""

    width: int = Field(320, ge=16, le=LARGEST_PX, description="of the frame, pixels")
    height: int = Field(240, ge=16, le=LARGEST_PX, description="of the frame, pixels")
    frames: int = Field(30, ge=1, le=10_000)
    speed_px: float = Field(12.0, ge=0, le=4096, description="way between two frames, pixels")
    heading_deg: float = Field(90.0, ge=-360, le=360, description="0: to the right, 90: downwards in the picture")
    jitter_px: float = Field(0.7, ge=0, le=100, description="standard deviation of each position, each axis")
    turn_deg: float = Field(0.3, ge=0, le=45, description="standard deviation of each frame's rotation")

    noise: float = Field(0.02, ge=0, le=1, description="standard deviation at mid-grey, of full scale")
    brightness: float = Field(0.05, ge=0, le=1, description="standard deviation of each frame's exposure, relative")
    shutter: Share = Field(0.05, description="share of the time between frames in which the shutter is open")
    jpeg_quality: Quality = Field(90, description="100 leaves compression out")
    distractors: float = Field(0.3, ge=0, le=100, description="mean number a frame of dark lines seen in it alone")


@dataclass(frozen=True, eq=False)
class FlyoverFrame:
    """What the camera sees at one instant.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        mask: (H, W) bool, crack.
        distractor: (H, W) bool, where a dark line is seen in this frame alone; no crack.
        pose: (3, 3) frame to picture coordinates.
        motion: (3, 3) coordinates in the frame before to coordinates in this one; the identity for the first.
    """

    image: RgbImage
    mask: Mask
    distractor: Mask
    pose: Transform
    motion: Transform


def fly(config: FlyoverConfig, pavement: SynthConfig, seed: int, index: int = 0) -> Iterator[FlyoverFrame]:
    """Fly over rendered pavement; the same arguments give the same frames.

    Args:
        config: the flight and the camera.
        pavement: the surface; its size follows from the flight, and its blur, noise and compression are left out, for
            each frame has its own.
        seed: 0 or more.
        index: which flight of a series, 0 or more.

    Raises:
        UsageError: the flight is too long for one picture, or seed or index is negative.
    """
    if min(seed, index) < 0:
        raise UsageError(f"seed {seed}, flight number {index}", expected="both 0 or more")
    flight_rng, camera_rng = np.random.default_rng([seed, index]).spawn(2)
    poses, width, height = plan(flight_rng, config)
    if max(width, height) > LARGEST_PX:
        raise UsageError(
            f"a flight over {width}x{height} pixels",
            expected=f"at most {LARGEST_PX} along each axis",
            fix="fewer frames, or a lower speed",
        )
    still = {"motion_blur_px": (0.0, 0.0), "noise": (0.0, 0.0), "jpeg_quality": (100, 100)}
    picture = render(pavement.model_copy(update={"width": width, "height": height, **still}), seed, index)
    return film(camera_rng, picture.image, picture.mask, poses, config)


def plan(rng: np.random.Generator, config: FlyoverConfig) -> tuple[list[Transform], int, int]:
    """A straight flight with jitter: the pose of each frame, and the width and height of the picture below it."""
    heading = math.radians(config.heading_deg)
    step = config.speed_px * np.array([math.cos(heading), math.sin(heading)])
    at = np.arange(config.frames)[:, None] * step + config.jitter_px * rng.standard_normal((config.frames, 2))
    turns = np.radians(config.turn_deg) * rng.standard_normal(config.frames)
    poses = [pose_of(x, y, turn, config.width, config.height) for (x, y), turn in zip(at, turns, strict=True)]
    corners = np.concatenate([_corners(pose, config) for pose in poses])
    low = np.floor(corners.min(axis=0)) - MARGIN_PX
    width, height = (int(size) for size in np.ceil(corners.max(axis=0) - low) + MARGIN_PX + 1)
    shift = np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1]])
    return [shift @ pose for pose in poses], width, height


def pose_of(x: float, y: float, turn: float, width: int, height: int) -> Transform:
    """The pose of a frame whose centre lies `x`, `y` from where it lies in the frame itself.

    Args:
        x, y: pixels.
        turn: about the frame's centre, radians.
        width, height: of the frame.
    """
    cos, sin = math.cos(turn), math.sin(turn)
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    return np.array(
        [
            [cos, -sin, x + centre_x - cos * centre_x + sin * centre_y],
            [sin, cos, y + centre_y - sin * centre_x - cos * centre_y],
            [0.0, 0.0, 1.0],
        ]
    )


def film(
    rng: np.random.Generator, picture: RgbImage, mask: Mask, poses: Sequence[Transform], config: FlyoverConfig
) -> Iterator[FlyoverFrame]:
    """See a picture from one pose after another.

    Args:
        rng: source of chance.
        picture: (H, W, 3) uint8 RGB; what lies beyond its edge is its mirror image.
        mask: (H, W) bool, crack.
        poses: from frame to picture.
        config: frame size and camera; the flight is that of the poses.
    """
    size = (config.width, config.height)
    before = poses[0]
    for pose in poses:
        motion = np.linalg.inv(pose) @ before
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        seen = cv2.warpAffine(picture, pose[:2], size, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
        scene = seen.astype(np.float32) / 255
        distractor = _distract(rng, scene, config.distractors)
        way = motion[:2, :2] @ _centre(config) + motion[:2, 2] - _centre(config)
        scene = motion_blur(scene, float(np.hypot(*way)) * config.shutter, angle=math.atan2(way[1], way[0]))
        yield FlyoverFrame(_expose(rng, scene, config), _sample(mask, pose, size), distractor, pose, motion)
        before = pose


def ground_of(frames: Sequence[FlyoverFrame]) -> Mask:
    """The cracks that came into view in any frame of a flight.

    Returns:
        (H, W) bool in picture coordinates, from the picture's top left corner to what was seen farthest from it.
    """
    height, width = frames[0].mask.shape
    corners = np.array([[x, y, 1] for x in (0, width - 1) for y in (0, height - 1)])
    right, bottom = np.ceil(np.max([(corners @ frame.pose.T)[:, :2].max(axis=0) for frame in frames], axis=0))
    size = (int(right) + 1, int(bottom) + 1)
    seen = np.zeros(size[::-1], np.uint8)
    for frame in frames:
        seen |= cv2.warpAffine(frame.mask.view(np.uint8), frame.pose[:2], size, flags=cv2.INTER_NEAREST)
    # The mask was sampled by a turned grid and is sampled back: that leaves pinholes.
    return cv2.morphologyEx(seen, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)).view(np.bool_)


def _centre(config: FlyoverConfig) -> Transform:
    return np.array([(config.width - 1) / 2, (config.height - 1) / 2])


def _corners(pose: Transform, config: FlyoverConfig) -> Transform:
    right, bottom = config.width - 1, config.height - 1
    frame = np.array([[0, 0, 1], [right, 0, 1], [0, bottom, 1], [right, bottom, 1]])
    return (frame @ pose.T)[:, :2]


def _sample(mask: Mask, pose: Transform, size: tuple[int, int]) -> Mask:
    flags = cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    seen = cv2.warpAffine(mask.view(np.uint8), pose[:2], size, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    return seen.view(np.bool_)


def _distract(rng: np.random.Generator, scene: NDArray[np.float32], mean: float) -> Mask:
    """Lay dark crooked lines over a scene: a blade of grass in the wind, the shadow of a wire, a strap."""
    height, width = scene.shape[:2]
    everywhere = np.zeros((height, width), np.uint8)
    for _ in range(rng.poisson(mean)):
        line = np.zeros((height, width), np.uint8)
        headings = rng.uniform(0, 2 * math.pi) + np.cumsum(0.35 * rng.standard_normal(rng.integers(4, 10)))
        steps = rng.uniform(6, 14) * np.stack([np.cos(headings), np.sin(headings)], 1)
        points = rng.uniform((0, 0), (width, height)) + np.cumsum(steps, axis=0)
        thickness = int(rng.integers(2, 4))
        cv2.polylines(line, [np.rint(16 * points).astype(np.int32)], False, 255, thickness, cv2.LINE_AA, 4)
        shade = np.float32(rng.uniform(0.35, 0.7) / 255) * line
        scene *= 1 - shade[..., None]
        np.maximum(everywhere, line, out=everywhere)
    return everywhere > 127


def _expose(rng: np.random.Generator, scene: NDArray[np.float32], config: FlyoverConfig) -> RgbImage:
    seen = cv2.GaussianBlur(scene, (3, 3), LENS_SIGMA_PX, borderType=cv2.BORDER_REFLECT)
    seen = seen * np.float32(max(0.2, 1 + config.brightness * rng.standard_normal()))
    seen += np.float32(config.noise) * np.sqrt(np.maximum(seen, 0.05) / 0.5) * sensor_noise(rng, *seen.shape[:2])
    return compress(np.rint(np.clip(seen, 0, 1) * 255).astype(np.uint8), config.jpeg_quality)
