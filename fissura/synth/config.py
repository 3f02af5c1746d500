"""What the generator may be told: sizes, what shows on the surface and how often, and the camera."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from fissura.config import Config

Share = Annotated[float, Field(ge=0, le=1)]


def _ordered(bounds: tuple[float, float]) -> tuple[float, float]:
    if bounds[0] > bounds[1]:
        raise ValueError("the smaller value comes first")
    return bounds


def _ordered_counts(bounds: tuple[int, int]) -> tuple[int, int]:
    if bounds[0] > bounds[1]:
        raise ValueError("the smaller value comes first")
    return bounds


Range = Annotated[tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]], AfterValidator(_ordered)]
Positive = Annotated[float, Field(gt=0)]
PositiveRange = Annotated[tuple[Positive, Positive], AfterValidator(_ordered)]
ShareRange = Annotated[tuple[Share, Share], AfterValidator(_ordered)]
Count = Annotated[int, Field(ge=0, le=100)]
Quality = Annotated[int, Field(ge=1, le=100)]
QualityRange = Annotated[tuple[Quality, Quality], AfterValidator(_ordered_counts)]
CountRange = Annotated[tuple[Count, Count], AfterValidator(_ordered_counts)]


class SynthConfig(Config):
    """Pavement seen straight from above. Shares are of frames unless said otherwise; ranges are (smallest, largest)."""

    width: int = Field(320, ge=1, le=16384, description="pixels")
    height: int = Field(480, ge=1, le=16384, description="pixels")
    gsd_mm_per_px: float = Field(1.0, gt=0, le=100, description="ground sampling distance")

    cracks: CountRange = Field((1, 3), description="cracks of a frame that has any, their branches not counted")
    branches: float = Field(1.5, ge=0, le=10, description="mean number of branches of a crack")
    width_mm: PositiveRange = Field((0.6, 12.0), description="mean width of a crack, drawn log-uniformly; none exceeds")
    contrast: ShareRange = Field((0.25, 0.9), description="share of the light that a crack swallows")
    ravelling: float = Field(1.0, ge=0, le=3, description="how far crack edges crumble; 0 leaves them smooth")
    crack_free: Share = Field(0.1, description="frames without a crack")
    sand_filled: Share = Field(0.15, description="cracks filled with bright sand")

    concrete: Share = Field(0.25, description="frames of concrete; the others are asphalt")
    texture: float = Field(1.0, ge=0, le=3, description="strength of the surface's grain")
    shadows: Share = 0.25
    shadow_depth: ShareRange = Field((0.2, 0.55), description="share of the light that a shadow takes")
    stains: Share = 0.2
    joints: Share = Field(0.12, description="frames with straight joints, which are no cracks")
    lane_paint: Share = 0.12

    motion_blur_px: Range = (0.0, 1.5)
    noise: Range = Field((0.004, 0.02), description="standard deviation at mid-grey, of full scale")
    jpeg_quality: QualityRange = Field((75, 97), description="1 to 100; 100 leaves compression out")
