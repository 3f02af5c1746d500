"""Random geometry and photometry of a training image and its mask."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from fissura.config import Config
from fissura.imaging.images import Mask, RgbImage
from train.data import photometry
from train.data.degradation import CameraDegradation, DegradationConfig
from train.data.geometry import Padding, Window, affine, warp
from train.data.photometry import ColourPolicy, Light


class AugmentConfig(Config):
    """Ranges of the random changes; 0 or false switches one off.

    Rotation and shear in degrees, to both sides; `translation` in shares of height and width; `zoom` as the half-width
    of the scale's range around 1. `brightness` is added, `contrast` multiplies, both to both sides; `saturation`
    multiplies and `hue` turns by that share of a whole turn. Noise and blur: see the fields.

    `colour` says how the four come together: ``together`` in eight images of ten, in a random order; ``each`` on its
    own in half of the images (SSD); ``one_of``: the colours, with `saturation` and `value` added, or brightness and
    contrast, or nothing in half of the images (paper 003, figure 2).
    """

    horizontal_flip: bool = False
    vertical_flip: bool = False
    flip_share: float = Field(0.5, ge=0, le=1, description="of the images, for each of the two flips")
    quarter_turns: bool = Field(False, description="rotations by multiples of 90 degrees; needs square crops")
    turn_share: float = Field(1.0, ge=0, le=1, description="of the images, whose turn is then any of the four")
    rotation_deg: float = Field(0.0, ge=0, le=180)
    translation: float = Field(0.0, ge=0, le=1)
    shear_deg: float = Field(0.0, ge=0, lt=90)
    zoom: float = Field(0.0, ge=0, lt=1)
    padding: Padding = Field("symmetric", description="beyond the image: mirrored, its last pixel, or black")
    brightness: float = Field(0.0, ge=0, le=1)
    contrast: float = Field(0.0, ge=0, le=1)
    saturation: float = Field(0.0, ge=0, le=1)
    hue: float = Field(0.0, ge=0, le=0.5)
    value: float = Field(0.0, ge=0, le=1, description="only where `colour` is one_of")
    colour: ColourPolicy = "together"
    blur_sigma: float = Field(0.0, ge=0, description="largest standard deviation, pixels")
    blur_min_sigma: float = Field(0.1, gt=0)
    blur_kernel_px: tuple[int, int] = Field((5, 5), description="smallest and largest odd size of the kernel")
    blur_share: float = Field(0.5, ge=0, le=1, description="of the images")
    noise_std: float = Field(0.0, ge=0, description="largest standard deviation, of values in [0, 1]")
    noise_min_std: float = Field(0.0, ge=0)
    noise_share: float = Field(1.0, ge=0, le=1, description="of the images")
    degradation: DegradationConfig | None = Field(
        None, description="what the camera does, after all else: of the low-resolution frame, where there is one"
    )

    @model_validator(mode="after")
    def _ranges(self) -> AugmentConfig:
        if self.noise_std and self.noise_min_std > self.noise_std:
            raise ValueError(f"`noise_min_std` is {self.noise_min_std}, above `noise_std`, {self.noise_std}")
        low, high = self.blur_kernel_px
        if not (1 <= low <= high and low % 2 and high % 2):
            raise ValueError(f"`blur_kernel_px` is {[low, high]}: expected two odd sizes, the smaller one first")
        if self.value and self.colour != "one_of":
            raise ValueError("`value` needs `colour: one_of`")
        return self


class Augmentation:
    """Cuts a sample out of an image and changes it at random.

    Attributes:
        camera: what is then done to the frame that the model sees; None for nothing.
    """

    def __init__(self, config: AugmentConfig) -> None:
        self.config = config
        self.camera = None if config.degradation is None else CameraDegradation(config.degradation)
        self.moves = bool(config.rotation_deg or config.translation or config.shear_deg or config.zoom)
        self.recolours = bool(config.brightness or config.contrast or config.saturation or config.hue or config.value)

    def __call__(
        self, image: RgbImage, mask: Mask, window: Window, size: tuple[int, int], draw: np.random.Generator
    ) -> tuple[Tensor, Mask]:
        """One sample.

        Args:
            image: (H, W, 3) uint8 RGB.
            mask: (H, W) bool.
            window: what of the image to take.
            size: height and width of the sample; the window is brought to it.
            draw: all randomness comes from here.

        Returns:
            (3, h, w) float32 in [0, 1] and (h, w) bool.
        """
        pixels, truth = self._geometry(image, mask, window, size, draw)
        light = self._photometry(np.multiply(pixels, np.float32(1 / 255), dtype=np.float32), draw)
        return torch.from_numpy(np.ascontiguousarray(light.transpose(2, 0, 1))), np.ascontiguousarray(truth)

    def _geometry(
        self, image: RgbImage, mask: Mask, window: Window, size: tuple[int, int], draw: np.random.Generator
    ) -> tuple[RgbImage, Mask]:
        config = self.config
        if self.moves:
            matrix = affine(
                draw.uniform(-config.rotation_deg, config.rotation_deg),
                draw.uniform(-config.shear_deg, config.shear_deg),
                draw.uniform(1 - config.zoom, 1 + config.zoom),
                (
                    size[1] * draw.uniform(-config.translation, config.translation),
                    size[0] * draw.uniform(-config.translation, config.translation),
                ),
            )
            image, mask = warp(image, mask, window, size, matrix, config.padding)
        elif size == (window.height, window.width) and window.inside(mask):
            image, mask = window.of(image), window.of(mask)
        else:
            image, mask = warp(image, mask, window, size, np.eye(2, 3), config.padding)
        if config.quarter_turns and draw.random() < config.turn_share:
            turns = int(draw.integers(4))
            image, mask = np.rot90(image, turns), np.rot90(mask, turns)
        for wanted, axis in ((config.horizontal_flip, 1), (config.vertical_flip, 0)):
            if wanted and draw.random() < config.flip_share:
                image, mask = np.flip(image, axis), np.flip(mask, axis)
        return image, mask

    def _photometry(self, image: Light, draw: np.random.Generator) -> Light:
        config = self.config
        if self.recolours:
            ranges = (config.brightness, config.contrast, config.saturation, config.hue)
            if config.colour == "together":
                image = photometry.together(image, *ranges, draw)
            elif config.colour == "each":
                image = photometry.each(image, *ranges, draw)
            else:
                image = photometry.one_of(image, *ranges, config.value, draw)
        # Paper 003's order: noise, then blur.
        if config.noise_std and draw.random() < config.noise_share:
            image = photometry.noise(image, (config.noise_min_std, config.noise_std), draw)
        if config.blur_sigma and draw.random() < config.blur_share:
            sigma = (min(config.blur_min_sigma, config.blur_sigma), config.blur_sigma)
            image = photometry.blur(image, config.blur_kernel_px, sigma, draw)
        return image
