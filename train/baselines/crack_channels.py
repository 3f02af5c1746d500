"""Feature channels of structured forests, and what a tree may ask of them around a pixel."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fissura.imaging.images import RgbImage
from train.baselines.baseline import smooth

ORIENTATIONS = 4
SCALES_PX = (0.0, 1.5)  # Gaussians before the two gradients
LIGHT_PX = 15.0  # radius over which colours are compared
NORMALISATION_PX = 5.0  # radius over which gradient magnitudes are compared
FAINTEST = np.float32(0.005)  # gradients well below it are noise, whatever surrounds them
FINE_PX, COARSE_PX = 1.0, 3.0  # smoothing of the channels that are looked up, and of those that are compared
CHANNELS = 3 + len(SCALES_PX) * (1 + ORIENTATIONS)


@dataclass(frozen=True)
class Questions:
    """Features of a pixel: values of channels at places around it, and differences between two places of a channel.

    Drawn once for the forest; each node of a tree chooses among a random part of them.

    Attributes:
        reach_px: no place lies further away than this, along either axis.
        lookups: (n, 3) channel, row and column offset, in the finely smoothed channels.
        comparisons: (m, 5) channel, row and column offset of one place, then of the other, in the coarse channels.
    """

    reach_px: int
    lookups: NDArray[np.int64]
    comparisons: NDArray[np.int64]

    @classmethod
    def draw(cls, generator: np.random.Generator, lookups: int, comparisons: int, reach_px: int) -> Questions:
        """Draw channels and places evenly."""
        return cls(
            reach_px,
            np.column_stack(
                [
                    generator.integers(0, CHANNELS, lookups),
                    generator.integers(-reach_px, reach_px + 1, (lookups, 2)),
                ]
            ),
            np.column_stack(
                [
                    generator.integers(CHANNELS, 2 * CHANNELS, comparisons),
                    generator.integers(-reach_px, reach_px + 1, (comparisons, 4)),
                ]
            ),
        )

    def prepare(self, frame: RgbImage) -> NDArray[np.float32]:
        """Fine and coarse channels of an image, mirrored at the border as far as the questions reach.

        Returns:
            (2 * CHANNELS, H + 2 * reach_px, W + 2 * reach_px).
        """
        channels = crack_channels(frame)
        smoothed = [smooth(channel, sigma) for sigma in (FINE_PX, COARSE_PX) for channel in channels]
        margin = (self.reach_px, self.reach_px)
        return np.pad(np.stack(smoothed), ((0, 0), margin, margin), mode="symmetric")

    def ask(
        self, prepared: NDArray[np.float32], rows: NDArray[np.int64], columns: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Features of pixels.

        Args:
            prepared: see `prepare`.
            rows, columns: (p,) of the pixels, in the image.

        Returns:
            (p, n + m) float32.
        """
        _, height, width = prepared.shape
        flat = prepared.reshape(-1)
        pixel = (rows + self.reach_px) * width + columns + self.reach_px

        def at(channel: NDArray[np.int64], place: NDArray[np.int64]) -> NDArray[np.float32]:
            return flat[pixel[:, None] + ((channel * height + place[:, 0]) * width + place[:, 1])]

        one, other = (at(self.comparisons[:, 0], self.comparisons[:, first : first + 2]) for first in (1, 3))
        return np.hstack([at(self.lookups[:, 0], self.lookups[:, 1:]), one - other])


def crack_channels(frame: RgbImage) -> list[NDArray[np.float32]]:
    """Colour (CIE LUV), and at two scales gradient magnitude, whole and by orientation.

    Colours are differences to their mean around the pixel, so that exposure and shadows do not matter; magnitudes are
    divided by theirs, since a faint crack in smooth asphalt is a crack too.

    Args:
        frame: (H, W, 3) uint8 RGB.

    Returns:
        `CHANNELS` images (H, W) float32.
    """
    luv = cv2.cvtColor(frame.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LUV) / np.float32(100)
    colours = [np.ascontiguousarray(luv[..., index]) for index in range(3)]
    channels = [colour - smooth(colour, LIGHT_PX) for colour in colours]
    for sigma in SCALES_PX:
        lightness = smooth(colours[0], sigma)
        across = cv2.Sobel(lightness, cv2.CV_32F, 1, 0, scale=1 / 8, borderType=cv2.BORDER_REPLICATE)
        down = cv2.Sobel(lightness, cv2.CV_32F, 0, 1, scale=1 / 8, borderType=cv2.BORDER_REPLICATE)
        magnitude = np.hypot(across, down)
        magnitude /= smooth(magnitude, NORMALISATION_PX) + FAINTEST
        channels.append(magnitude)
        turn = np.mod(np.arctan2(down, across) / np.pi, 1.0) * ORIENTATIONS
        for orientation in range(ORIENTATIONS):
            away = np.abs(np.mod(turn - orientation + ORIENTATIONS / 2, ORIENTATIONS) - ORIENTATIONS / 2)
            channels.append((magnitude * np.maximum(1 - away, 0)).astype(np.float32))  # shared by two neighbours
    return channels
