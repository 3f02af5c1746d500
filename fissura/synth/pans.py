"""Pans over photographs: a window moves over an image whose cracks are known, with a camera's noise of its own.

What the photograph's own camera did to it (noise, compression) moves along with the ground and is the same in every
frame; only what `fissura.synth.flyover` adds is new each time.
"""

from __future__ import annotations

import math

import numpy as np

from fissura.dataset import Dataset, read_sample
from fissura.synth.flyover import FlyoverConfig, FlyoverFrame, Transform, film, pose_of

BORDER_PX = 3.0


def pans(dataset: Dataset, count: int, config: FlyoverConfig, seed: int) -> list[list[FlyoverFrame]]:
    """Pan over the first images of a data set, one clip each.

    Args:
        dataset: images larger than the frame.
        count: of images.
        config: camera; the frame is cut to three quarters of the image where it is larger than that. The window goes
            from one corner to the opposite one, as many frames as fit at the given speed, at most `frames`.
        seed: of what the camera adds.
    """
    clips = []
    for number, sample in enumerate(dataset.samples[:count]):
        image, mask = read_sample(sample)
        height, width = mask.shape
        window = config.model_copy(
            update={"width": min(config.width, 3 * width // 4), "height": min(config.height, 3 * height // 4)}
        )
        flight_rng, camera_rng = np.random.default_rng([seed, number]).spawn(2)
        poses = _poses(flight_rng, window, width, height)
        clips.append(list(film(camera_rng, image, mask, poses, window)))
    return clips


def _poses(rng: np.random.Generator, config: FlyoverConfig, width: int, height: int) -> list[Transform]:
    room_x, room_y = width - config.width - 2 * BORDER_PX, height - config.height - 2 * BORDER_PX
    way = math.hypot(room_x, room_y)
    frames = min(config.frames, int(way / config.speed_px) + 1)
    along = config.speed_px / way * np.arange(frames)
    downwards = bool(rng.integers(2))
    poses = []
    for share in along:
        y = share if downwards else 1 - share
        jitter = config.jitter_px * rng.standard_normal(2)
        turn = math.radians(config.turn_deg) * rng.standard_normal()
        x_px, y_px = BORDER_PX + share * room_x + jitter[0], BORDER_PX + y * room_y + jitter[1]
        poses.append(pose_of(x_px, y_px, turn, config.width, config.height))
    return poses
