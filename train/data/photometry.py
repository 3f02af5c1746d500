"""Random changes of brightness, contrast and colour, blur and noise: a training image under another light.

On OpenCV: RGB to HSV and back took it 0.3 ms for a 480x320 image on one core, kornia 10 ms.
Images are (H, W, 3) float32 RGB in [0, 1], here and in what is returned; a given one may be changed in place.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

Light = NDArray[np.float32]
Draw = np.random.Generator
ColourPolicy = Literal["together", "each", "one_of"]


def together(image: Light, b: float, c: float, s: float, h: float, draw: Draw) -> Light:
    """All of them in a random order, in eight images of ten; contrast around the image's mean."""
    if draw.random() >= 0.8:
        return image
    for which in draw.permutation(4):
        if which == 0 and b:
            image = _linear(image, 1.0, draw.uniform(-b, b))
        elif which == 1 and c:
            factor = 1 + draw.uniform(-c, c)
            mean = float(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).mean())
            image = _linear(image, factor, (1 - factor) * mean)
        elif which == 2 and s:
            factor = 1 + draw.uniform(-s, s)
            grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None]
            image = _clipped(grey + factor * (image - grey))
        elif which == 3 and h:
            image = _hsv(image, turn=draw.uniform(-h, h))
    return image


def each(image: Light, b: float, c: float, s: float, h: float, draw: Draw) -> Light:
    """Each with probability one half, contrast as a plain factor before or after the colours.

    Reference:
        Liu et al. 2016 (SSD), photometric distortion, as paper 004's code has it.
    """

    def half(most: float) -> float:
        return draw.uniform(-most, most) if draw.random() < 0.5 else 0.0

    lighter, contrast, saturation, turn = half(b), 1 + half(c), 1 + half(s), half(h)
    contrast_first = draw.random() < 0.5
    image = _linear(image, contrast if contrast_first else 1.0, contrast * lighter if contrast_first else lighter)
    if saturation != 1 or turn:
        image = _hsv(image, turn=turn, saturation=saturation)
    return image if contrast_first else _linear(image, contrast, 0.0)


def one_of(image: Light, b: float, c: float, s: float, h: float, value: float, draw: Draw) -> Light:
    """Either shifts of hue, saturation and value, or brightness and contrast; each happens in half of its cases.

    Reference:
        paper 003, figure 2, step 3.
    """
    colours, happens = draw.random() < 0.5, draw.random() < 0.5
    if not happens:
        return image
    if not colours:
        return _linear(image, 1 + draw.uniform(-c, c), draw.uniform(-b, b))
    turn, stronger, lighter = (draw.uniform(-most, most) for most in (h, s, value))
    return _hsv(image, turn=turn, add=(stronger, lighter))


def blur(image: Light, kernel_px: tuple[int, int], sigma: tuple[float, float], draw: Draw) -> Light:
    """Gaussian blur with an odd kernel size and a standard deviation (pixels) drawn from the ranges."""
    size = int(draw.choice(np.arange(kernel_px[0], kernel_px[1] + 1, 2)))
    deviation = draw.uniform(*sigma)
    return cv2.GaussianBlur(image, (size, size), deviation).astype(np.float32, copy=False)


def noise(image: Light, std: tuple[float, float], draw: Draw) -> Light:
    """Add Gaussian noise whose variance is drawn between the squares of `std` (of values in [0, 1])."""
    deviation = np.sqrt(draw.uniform(std[0] ** 2, std[1] ** 2))
    generator = torch.Generator().manual_seed(int(draw.integers(2**63)))  # twice as fast as numpy's
    image += deviation * torch.randn(image.shape, generator=generator).numpy()
    return _clipped(image)


def _linear(image: Light, factor: float, offset: float) -> Light:
    if factor == 1 and offset == 0:
        return image
    np.multiply(image, factor, out=image)
    np.add(image, offset, out=image)
    return _clipped(image)


def _hsv(image: Light, *, turn: float, saturation: float = 1.0, add: tuple[float, float] = (0.0, 0.0)) -> Light:
    """Turn the hue by a share of a circle, multiply the saturation, add to saturation and value."""
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + 360 * turn) % 360
    hsv[..., 1] = np.clip(saturation * hsv[..., 1] + add[0], 0, 1)
    if add[1]:
        hsv[..., 2] = np.clip(hsv[..., 2] + add[1], 0, 1)
    return _clipped(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))


def _clipped(image: Light) -> Light:
    return np.clip(image, 0, 1, out=image)
