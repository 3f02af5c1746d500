"""What the camera adds: blur, noise, compression."""

from __future__ import annotations

import math

import cv2
import numpy as np

from fissura.imaging.images import RgbImage
from fissura.synth.config import SynthConfig
from fissura.synth.noise import Field

LENS_SIGMA_PX = 0.45


def photograph(rng: np.random.Generator, scene: Field, config: SynthConfig) -> RgbImage:
    """Take a picture of a scene.

    Args:
        rng: source of chance.
        scene: (H, W, 3) float32, 0 to 1, on the camera's tone curve.
        config: blur, noise and compression.

    Returns:
        (H, W, 3) uint8 RGB. Blur is symmetric, so that nothing moves against the truth.
    """
    seen = cv2.GaussianBlur(scene, (3, 3), LENS_SIGMA_PX, borderType=cv2.BORDER_REFLECT)
    blur_px = rng.uniform(*config.motion_blur_px)
    seen = motion_blur(seen, blur_px, angle=math.pi / 2 + rng.normal(0, 0.2))
    noise = np.float32(rng.uniform(*config.noise))
    # Photon noise grows with the root of the light.
    seen = seen + noise * np.sqrt(np.maximum(seen, 0.05) / 0.5) * sensor_noise(rng, *seen.shape[:2])
    pixels = np.rint(np.clip(seen, 0, 1) * 255).astype(np.uint8)
    return compress(pixels, int(rng.integers(config.jpeg_quality[0], config.jpeg_quality[1], endpoint=True)))


def sensor_noise(rng: np.random.Generator, height: int, width: int) -> Field:
    """(H, W, 3) of about unit variance; its colour is coarser than its brightness, for each pixel senses one colour."""
    bright = rng.standard_normal((height, width, 1), dtype=np.float32)
    colour = rng.standard_normal(((height + 1) // 2, (width + 1) // 2, 3), dtype=np.float32)
    return np.float32(0.85) * bright + np.float32(0.6) * cv2.resize(colour, (width, height))


def motion_blur(image: Field, length_px: float, angle: float) -> Field:
    """Smear (H, W, 3) evenly along a straight way of so many pixels, half of it to either side.

    Args:
        image: float32.
        length_px: below 0.1 nothing happens.
        angle: of the way, radians; 0 is along x, a positive one turns towards y.
    """
    if length_px < 0.1:
        return image
    half = math.ceil(length_px / 2) + 1
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    kernel = np.zeros(x.shape)
    for at in np.linspace(-length_px / 2, length_px / 2, 8 * half + 1):
        overlap_x = np.clip(1 - np.abs(x - at * math.cos(angle)), 0, 1)
        kernel += overlap_x * np.clip(1 - np.abs(y - at * math.sin(angle)), 0, 1)
    return cv2.filter2D(image, -1, (kernel / kernel.sum()).astype(np.float32), borderType=cv2.BORDER_REFLECT)


def compress(image: RgbImage, quality: int) -> RgbImage:
    """JPEG there and back; a quality of 100 leaves the image as it is."""
    if quality == 100:
        return image
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
