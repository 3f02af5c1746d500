"""Sensor noise: photons arrive by chance, and reading them out adds some more."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from fissura.config import Config
from fissura.imaging.degradation.degradation import Degradation, Draw
from fissura.imaging.degradation.linear_light import to_linear, to_srgb
from fissura.imaging.images import RgbImage


class NoiseConfig(Config):
    """What the sensor collects and how well it is read.

    A white pixel holds at most the sensor's full well (5,000 to 30,000 electrons in industrial cameras); a gain of 2,
    for half the light, halves it.
    """

    white_electrons: float = Field(1000.0, ge=1, le=1e6, description="photoelectrons of a white pixel")
    read_electrons: float = Field(3.0, ge=0, le=1000, description="standard deviation of the read noise")


def noise(image: RgbImage, config: NoiseConfig, draw: Draw) -> RgbImage:
    """Poisson (shot) and Gaussian (read) noise in linear light, independent in each pixel and channel.

    In units of white the variance of a value x is x / white + (read / white)^2. What a camera does afterwards to
    mosaic, colours and noise is left out.

    Reference:
        Foi, Trimeche, Katkovnik, Egiazarian, "Practical Poissonian-Gaussian noise modeling and fitting for
        single-image raw-data", TIP 17(10), 2008, section II.
    """
    electrons = draw.poisson(to_linear(image) * config.white_electrons).astype(np.float32)
    electrons += np.float32(config.read_electrons) * draw.standard_normal(image.shape, dtype=np.float32)
    return to_srgb(electrons / np.float32(config.white_electrons))


NOISE = Degradation(
    apply=noise,
    config=NoiseConfig,
    summary="photon (Poisson) and read (Gaussian) noise, in linear light",
    severity="white_electrons",
    unit="electrons at white",
    levels=tuple(NoiseConfig(white_electrons=electrons) for electrons in (3000, 1000, 300, 100, 30)),
    logarithmic=("white_electrons",),
)
