"""Motion blur: the camera moves over the surface while the shutter is open."""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field, model_validator

from fissura.config import Config
from fissura.imaging.degradation.degradation import Degradation, Draw
from fissura.imaging.degradation.point_spread import blurred, spread_kernel
from fissura.imaging.images import RgbImage

LONGEST_PX = 256.0
POINTS_PER_PX = 16


class MotionBlurConfig(Config):
    """How far the surface moves: its length in pixels, or speed, exposure and ground sampling distance."""

    length_px: float | None = Field(None, ge=0, le=LONGEST_PX, description="pixels of the frame")
    speed_m_per_s: float | None = Field(None, ge=0, description="of the camera over the surface")
    exposure_s: float | None = Field(None, ge=0, description="seconds that the shutter is open")
    gsd_mm_per_px: float | None = Field(None, gt=0, description="ground sampling distance of the frame")
    direction_deg: float | None = Field(
        None, ge=-360, le=360, description="of the motion, 0 along rows, 90 along columns; null: any, drawn"
    )

    @model_validator(mode="after")
    def _one_way(self) -> MotionBlurConfig:
        motion = (self.speed_m_per_s, self.exposure_s, self.gsd_mm_per_px)
        given = [value is not None for value in motion]
        if (self.length_px is not None) == any(given) or any(given) != all(given):
            raise ValueError("give either `length_px` or all of `speed_m_per_s`, `exposure_s` and `gsd_mm_per_px`")
        if self.blur_px > LONGEST_PX:
            raise ValueError(f"a blur of {self.blur_px:g} px: expected at most {LONGEST_PX:g}")
        return self

    @property
    def blur_px(self) -> float:
        """Length of the blur in pixels: speed x exposure x 1000 / GSD."""
        if self.length_px is not None:
            return self.length_px
        assert self.speed_m_per_s is not None and self.exposure_s is not None and self.gsd_mm_per_px is not None
        return self.speed_m_per_s * self.exposure_s * 1000 / self.gsd_mm_per_px


def motion_blur(image: RgbImage, config: MotionBlurConfig, draw: Draw) -> RgbImage:
    """Spread each point evenly along a straight line, in linear light; the frame shows the middle of the exposure."""
    direction = draw.uniform(0, 180) if config.direction_deg is None else config.direction_deg
    angle, count = math.radians(direction), POINTS_PER_PX * (2 + math.ceil(config.blur_px))
    along = ((np.arange(count) + 0.5) / count - 0.5) * config.blur_px
    return blurred(image, spread_kernel(np.outer(along, [math.cos(angle), math.sin(angle)])))


MOTION_BLUR = Degradation(
    apply=motion_blur,
    config=MotionBlurConfig,
    summary="straight motion during the exposure, in linear light",
    severity="length_px",
    unit="px",
    levels=tuple(MotionBlurConfig(length_px=length) for length in (1, 2, 4, 8, 16)),
)
