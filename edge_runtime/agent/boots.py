"""Starts in a row that did not get as far as frames: a small document in a file, which outlives power cuts."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from fissura.files import write_text

logger = logging.getLogger(__name__)

MOST_DEATHS = 3  # in a row, before the model is held to be the cause
MOST_CUTS = 10  # a model that stops the whole device looks like them, and so does a vehicle that only moves about


class Starts(BaseModel):
    """Of one release, since its last healthy one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    release: int | None = Field(None, description="None: the bundle that the device came with")
    deaths: int = Field(0, ge=0, description="that the supervisor saw")
    cuts: int = Field(0, ge=0, description="that it did not: it ended too, as with the power; the one in hand counts")
    suspect: int | None = Field(None, description="release that was left for this one, which has not proved better yet")

    @property
    def too_many(self) -> bool:
        """Whether the release is not to be started again."""
        return self.deaths >= MOST_DEATHS or self.cuts >= MOST_CUTS

    def but(self, **changes: Any) -> Starts:
        """The same with other numbers."""
        return self.model_copy(update=changes)


class Boots:
    """The supervisor counts a start before it begins; the run says when it is healthy, or that it has nothing to do.

    Args:
        path: of the file; there is none while all is well.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, release: int | None) -> Starts:
        """Starts of a release. What was counted of another one says nothing, but that it was left for this one."""
        starts = self._read()
        if starts.release == release:
            return starts
        # Where two have died in the same way, neither is to blame.
        left = starts.too_many and starts.suspect is None
        return Starts(release=release, suspect=starts.release if left else None)

    @property
    def well(self) -> bool:
        """Whether the last start was a healthy one."""
        return not self._path.exists()

    def set(self, starts: Starts) -> None:
        """Durable when this returns; a disk that cannot be written keeps no device from its work."""
        try:
            write_text(self._path, starts.model_dump_json() + "\n")
        except OSError as error:
            logger.warning("%s cannot be written: %s", self._path, error)

    def healthy(self) -> None:
        """A start was a good one."""
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            logger.warning("%s cannot be removed: %s", self._path, error)

    def waiting(self) -> None:
        """The model is open, and no camera gives a frame: a device that is switched off now says nothing about it."""
        if not self.well:
            starts = self._read()
            self.set(starts.but(cuts=max(0, starts.cuts - 1)))

    def _read(self) -> Starts:
        """What cannot be read counts as none."""
        with suppress(OSError, ValueError):
            return Starts.model_validate_json(self._path.read_bytes())
        return Starts()
