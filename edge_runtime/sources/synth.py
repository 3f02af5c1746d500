"""`synth:`: procedural pavement, for trying out and for tests; the same seed gives the same frames.

With `fly` a camera flies over it, for `fissura run --fuse`: after each flight comes a cut to the next pavement.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timezone
from itertools import count
from typing import ClassVar

from pydantic import Field

from edge_runtime.clock import wall_clock_quality
from edge_runtime.frame import EndOfStream, Frame, Timeout
from edge_runtime.sources.pacing import Pacer
from edge_runtime.sources.source import Source
from fissura.config import Config
from fissura.errors import ConfigError
from fissura.imaging.images import RgbImage
from fissura.synth import SynthConfig, render
from fissura.synth.flyover import FlyoverConfig, fly

FLIGHT_FRAMES = 32


class SynthSourceConfig(Config):
    """Options of `synth:`."""

    seed: int = Field(0, ge=0)
    count: int | None = Field(None, ge=1, description="frames; null: without end")
    width: int = Field(320, ge=16, le=16384, description="pixels")
    height: int = Field(240, ge=16, le=16384, description="pixels")
    gsd: float = Field(1.0, gt=0, le=100, description="ground sampling distance, mm/px")
    fly: float | None = Field(
        None, ge=0, le=512, description="pixels from one frame to the next; null: unrelated frames"
    )
    fps: float | None = Field(None, gt=0, description="frames a second; null: as fast as they are taken")


class SynthSource(Source):
    """Renders one frame a call."""

    config_class: ClassVar[type[Config]] = SynthSourceConfig
    live: ClassVar[bool] = False

    def __init__(self, target: str, config: SynthSourceConfig) -> None:
        if target:
            raise ConfigError(f"source synth: has no place {target!r}", expected="synth: or synth:?seed=1&count=10")
        self._config = config
        self._pavement = SynthConfig(width=config.width, height=config.height, gsd_mm_per_px=config.gsd)
        self._pacer = Pacer(config.fps)
        self._images = self._unrelated() if config.fly is None else self._flights(config.fly)
        self._sequence = 0

    def read(self) -> Frame | Timeout | EndOfStream:
        if self._sequence == self._config.count:
            return EndOfStream()
        if not self._pacer.wait():
            return Timeout()
        sequence = self._sequence
        self._sequence += 1
        return Frame(
            image=next(self._images),
            captured_monotonic_ns=time.monotonic_ns(),
            captured_utc=datetime.now(timezone.utc),
            clock_quality=wall_clock_quality(),
            sequence=sequence,
            source=f"synth:{self._config.seed}",
            gsd_mm_per_px=self._config.gsd,
        )

    def _unrelated(self) -> Iterator[RgbImage]:
        for index in count():
            yield render(self._pavement, self._config.seed, index).image

    def _flights(self, speed_px: float) -> Iterator[RgbImage]:
        camera = FlyoverConfig(
            width=self._config.width,
            height=self._config.height,
            frames=FLIGHT_FRAMES,
            speed_px=speed_px,
            distractors=0,
        )
        for index in count():
            for frame in fly(camera, self._pavement, self._config.seed, index):
                yield frame.image

    def close(self) -> None:
        pass
