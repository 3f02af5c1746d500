"""Random camera degradations of a training frame; see `fissura.imaging.degradation`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from pydantic import Field, field_validator

from fissura.config import Config, checked_section, parse_config
from fissura.errors import ConfigError
from fissura.imaging.degradation import DEGRADATIONS
from fissura.imaging.images import RgbImage

Number = int | float
Ranges = dict[str, dict[str, Number | tuple[Number, Number]]]


class DegradationConfig(Config):
    """Which degradations, how strong. A frame that is chosen goes through all of them, in the camera's own order.

    An option is a number, or the smallest and the largest of which one is drawn for each frame.
    """

    share: float = Field(0.5, ge=0, le=1, description="of the frames")
    ranges: Ranges = Field(min_length=1, description="{motion_blur: {length_px: [0, 4]}, jpeg: {quality: [40, 95]}}")

    @field_validator("ranges")
    @classmethod
    def _fits_the_table(cls, ranges: Ranges) -> Ranges:
        return checked_section(ranges, lambda: _check(ranges))


class CameraDegradation:
    """Degrades frames as a configuration says.

    Raises:
        MissingDependencyError: a degradation needs a package that is not installed.
    """

    def __init__(self, config: DegradationConfig) -> None:
        self.config = config
        for name in config.ranges:
            DEGRADATIONS[name].check_installed(name)

    def __call__(self, frame: RgbImage, draw: np.random.Generator) -> RgbImage:
        """A frame (H, W, 3) uint8 RGB, degraded or, in the other cases, as it is; all chance comes from `draw`."""
        if draw.random() >= self.config.share:
            return frame
        for name, degradation in DEGRADATIONS.items():  # whatever the order in the recipe
            if name in self.config.ranges:
                options = {key: _drawn(name, key, value, draw) for key, value in self._options(name)}
                frame = degradation.apply(frame, degradation.config(**options), draw)
        return frame

    def _options(self, name: str) -> list[tuple[str, Number | tuple[Number, Number]]]:
        given = self.config.ranges[name]
        return [(key, given[key]) for key in DEGRADATIONS[name].config.model_fields if key in given]


def _check(ranges: Ranges) -> None:
    for name, options in ranges.items():
        if name not in DEGRADATIONS:
            raise ConfigError(f"there is no degradation {name!r}", expected=f"one of: {', '.join(DEGRADATIONS)}")
        for key, value in options.items():
            if isinstance(value, tuple) and value[0] > value[1]:
                raise ConfigError(f"{name}.{key} is {list(value)}", expected="the smaller value first")
        for end in (0, 1):
            values: dict[str, Any] = {key: v[end] if isinstance(v, tuple) else v for key, v in options.items()}
            parse_config(DEGRADATIONS[name].config, values, origin=name)


def _drawn(name: str, key: str, value: Number | tuple[Number, Number], draw: np.random.Generator) -> Number:
    if not isinstance(value, tuple):
        return value
    low, high = value
    degradation = DEGRADATIONS[name]
    if degradation.config.model_fields[key].annotation is int:
        return int(draw.integers(int(low), int(high), endpoint=True))
    if key in degradation.logarithmic:
        return math.exp(draw.uniform(math.log(low), math.log(high)))
    return draw.uniform(low, high)
