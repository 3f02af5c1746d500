"""`folder:DIR`: the images of a folder, sorted by name, as if a camera took them."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from edge_runtime.frame import EndOfStream, Frame, Timeout
from edge_runtime.sources.pacing import Pacer
from edge_runtime.sources.source import Source
from edge_runtime.text import as_text
from fissura.config import Config
from fissura.errors import SourceError
from fissura.imaging.images import IMAGE_SUFFIXES, read_rgb
from fissura.imaging.resample import downsample


class FolderConfig(Config):
    """Options of `folder:`."""

    downsample: int = Field(
        1, ge=1, description="camera simulation: each frame pixel is the mean of so many by so many image pixels"
    )
    fps: float | None = Field(None, gt=0, description="frames a second; null: as fast as they are taken")
    loop: bool = Field(False, description="start again after the last image")


class FolderSource(Source):
    """Reads one image a call; an image that cannot be read costs that frame."""

    config_class: ClassVar[type[Config]] = FolderConfig
    live: ClassVar[bool] = False

    def __init__(self, target: str, config: FolderConfig) -> None:
        folder = Path(target)
        if not folder.is_dir():
            raise SourceError(
                f"source folder {target!r} {'is a file' if folder.exists() else 'does not exist'}",
                expected="a folder with images",
                fix="for a video use `file:`" if folder.exists() else "check the path",
            )
        self._paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
        if not self._paths:
            raise SourceError(
                f"source folder {target!r} holds no image",
                expected=f"{', '.join(IMAGE_SUFFIXES)}",
                fix=f"did you mean folder:{folder / 'images'}?" if (folder / "images").is_dir() else "",
            )
        self.name = f"folder:{as_text(folder.name)}"
        self._config = config
        self._pacer = Pacer(config.fps)
        self._sequence = 0

    def read(self) -> Frame | Timeout | EndOfStream:
        if self._sequence >= len(self._paths) and not self._config.loop:
            return EndOfStream()
        if not self._pacer.wait():
            return Timeout()
        sequence = self._sequence
        self._sequence += 1  # before reading: an unreadable image is passed over, not tried again
        path = self._paths[sequence % len(self._paths)]
        image = read_rgb(path)
        return Frame(
            image=downsample(image, self._config.downsample),
            captured_monotonic_ns=time.monotonic_ns(),
            captured_utc=datetime.fromtimestamp(path.stat().st_mtime, timezone.utc),
            clock_quality="file",
            sequence=sequence,
            source=self.name,
            name=as_text(path.name),
        )

    def close(self) -> None:
        pass
