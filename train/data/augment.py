"""Random geometry and photometry of a training image and its mask, on kornia."""

from __future__ import annotations

import kornia.augmentation as K
import torch
from kornia.constants import Resample, SamplePadding
from pydantic import Field
from torch import Tensor

from fissura.config import Config


class AugmentConfig(Config):
    """Ranges of the random changes; 0 or false switches one off.

    Rotation in degrees, translation and shear as in kornia's `RandomAffine` (share of the size, degrees), `zoom` as
    the half-width of the scale range around 1, `brightness` and `contrast` as half-widths of factors around 1,
    `noise_std` of Gaussian noise on [0, 1] values, `blur_sigma` the largest sigma in pixels of a Gaussian blur that
    half of the images get.
    """

    horizontal_flip: bool = False
    vertical_flip: bool = False
    quarter_turns: bool = Field(False, description="rotations by multiples of 90 degrees; needs square crops")
    rotation_deg: float = Field(0.0, ge=0, le=180)
    translation: float = Field(0.0, ge=0, le=1)
    shear_deg: float = Field(0.0, ge=0, lt=90)
    zoom: float = Field(0.0, ge=0, lt=1)
    brightness: float = Field(0.0, ge=0, le=1)
    contrast: float = Field(0.0, ge=0, le=1)
    saturation: float = Field(0.0, ge=0, le=1)
    hue: float = Field(0.0, ge=0, le=0.5)
    blur_sigma: float = Field(0.0, ge=0)
    noise_std: float = Field(0.0, ge=0)


class Augmentation:
    """Changes one image and its mask at random; randomness comes from torch's global generator."""

    def __init__(self, config: AugmentConfig) -> None:
        self.quarter_turns = config.quarter_turns
        self.horizontal_flip, self.vertical_flip = config.horizontal_flip, config.vertical_flip
        self.noise_std = config.noise_std
        self.geometry = _geometry(config)
        self.photometry = _photometry(config)

    def __call__(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Change an image (3, H, W) in [0, 1] and its mask (1, H, W) of 0 and 1 alike."""
        if self.quarter_turns:
            turns = int(torch.randint(4, ()))
            image, mask = torch.rot90(image, turns, (1, 2)), torch.rot90(mask, turns, (1, 2))
        for wanted, axis in ((self.horizontal_flip, 2), (self.vertical_flip, 1)):
            if wanted and torch.rand(()) < 0.5:
                image, mask = image.flip(axis), mask.flip(axis)
        if self.geometry is not None:
            image, mask = (part[0] for part in self.geometry(image[None], mask[None]))
        if self.photometry is not None:
            image = self.photometry(image[None])[0]
        if self.noise_std:
            image = image + self.noise_std * torch.rand(()) * torch.randn_like(image)
        return image.clamp(0, 1), (mask > 0.5).to(mask.dtype)


def _geometry(config: AugmentConfig) -> K.AugmentationSequential | None:
    if not (config.rotation_deg or config.translation or config.shear_deg or config.zoom):
        return None
    affine = K.RandomAffine(
        degrees=config.rotation_deg,
        translate=(config.translation, config.translation),
        scale=(1 - config.zoom, 1 + config.zoom),
        shear=config.shear_deg,
        # Mirrored pavement has no seam: a constant border would be an edge that looks like a joint.
        padding_mode=SamplePadding.REFLECTION,
        p=1.0,
    )
    return K.AugmentationSequential(
        affine, data_keys=["input", "mask"], extra_args={"mask": {"resample": Resample.NEAREST, "align_corners": None}}
    )


def _photometry(config: AugmentConfig) -> K.ImageSequential | None:
    steps: list[torch.nn.Module] = []
    if config.brightness or config.contrast or config.saturation or config.hue:
        steps.append(
            K.ColorJiggle(
                brightness=config.brightness,
                contrast=config.contrast,
                saturation=config.saturation,
                hue=config.hue,
                p=0.8,
            )
        )
    if config.blur_sigma:
        steps.append(K.RandomGaussianBlur((5, 5), (min(0.1, config.blur_sigma), config.blur_sigma), p=0.5))
    return K.ImageSequential(*steps) if steps else None
