"""`synth:`: procedural pavement, for trying out and for tests; the same seed gives the same frames.

With `fly` a camera flies over it, for `fissura run --fuse` and `--track`: after each flight comes a cut to the next
pavement. With `truth` the cracks that there really are go to a file, a line a frame:
``{"sequence": 0, "crack_px": 812, "cracks": [...]}``. The cracks are those of the true mask, measured as a run measures
its own (`CrackGeometry` of `fissura.messages`); `crack_px` counts the mask's pixels, those of cracks too short to be
listed included.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from typing import IO, Any, ClassVar

import numpy as np
from pydantic import Field

from edge_runtime.clock import wall_clock_quality
from edge_runtime.frame import EndOfStream, Frame, Timeout
from edge_runtime.sources.pacing import Pacer
from edge_runtime.sources.source import Source
from fissura.config import Config
from fissura.errors import ConfigError, SourceError
from fissura.imaging.decode import find_cracks
from fissura.imaging.images import Mask, RgbImage
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
    truth: Path | None = Field(None, description="JSONL file for the true cracks of each frame; replaced")


class SynthSource(Source):
    """Renders one frame a call."""

    config_class: ClassVar[type[Config]] = SynthSourceConfig
    live: ClassVar[bool] = False

    def __init__(self, target: str, config: SynthSourceConfig) -> None:
        if target:
            raise ConfigError(f"source synth: has no place {target!r}", expected="synth: or synth:?seed=1&count=10")
        self.name = f"synth:{config.seed}"
        self._config = config
        self._pavement = SynthConfig(width=config.width, height=config.height, gsd_mm_per_px=config.gsd)
        self._pacer = Pacer(config.fps)
        self._truth = None if config.truth is None else _open_truth(config.truth)
        self._seen = self._unrelated() if config.fly is None else self._flights(config.fly)
        self._sequence = 0

    def read(self) -> Frame | Timeout | EndOfStream:
        if self._sequence == self._config.count:
            return EndOfStream()
        if not self._pacer.wait():
            return Timeout()
        sequence = self._sequence
        self._sequence += 1
        image, mask = next(self._seen)
        if self._truth is not None:
            self._truth.write(json.dumps(self._true_cracks(sequence, mask)) + "\n")
        return Frame(
            image=image,
            captured_monotonic_ns=time.monotonic_ns(),
            captured_utc=datetime.now(timezone.utc),
            clock_quality=wall_clock_quality(),
            sequence=sequence,
            source=self.name,
            gsd_mm_per_px=self._config.gsd,
        )

    def _true_cracks(self, sequence: int, mask: Mask) -> dict[str, Any]:
        cracks = find_cracks(mask.astype(np.float32), threshold=0.5, gsd_mm_per_px=self._config.gsd)
        return {
            "sequence": sequence,
            "crack_px": int(np.count_nonzero(mask)),
            "cracks": [crack.geometry.model_dump(mode="json") for crack in cracks],
        }

    def _unrelated(self) -> Iterator[tuple[RgbImage, Mask]]:
        for index in count():
            frame = render(self._pavement, self._config.seed, index)
            yield frame.image, frame.mask

    def _flights(self, speed_px: float) -> Iterator[tuple[RgbImage, Mask]]:
        camera = FlyoverConfig(
            width=self._config.width,
            height=self._config.height,
            frames=FLIGHT_FRAMES,
            speed_px=speed_px,
            distractors=0,
        )
        for index in count():
            for frame in fly(camera, self._pavement, self._config.seed, index):
                yield frame.image, frame.mask

    def close(self) -> None:
        if self._truth is not None:
            self._truth.close()


def _open_truth(path: Path) -> IO[str]:
    try:
        return path.open("w", encoding="utf-8", buffering=1)  # whole lines, for who reads along
    except OSError as error:
        raise SourceError(f"the file for the truth {str(path)!r} cannot be written: {error}") from error
