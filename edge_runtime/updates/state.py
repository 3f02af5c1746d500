"""What a device remembers about its installations: one JSON document, replaced in one step before every step."""

from __future__ import annotations

import logging
from datetime import datetime
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from edge_runtime.updates.ports import Standing
from fissura.files import sync_folder, write_text
from fissura.schema_version import SchemaVersion
from fissura.update_messages import Phase

logger = logging.getLogger(__name__)

VERSION = "1.0"
MOST_UNREPORTED = 200  # steps; while no outbox can be opened, the oldest go
LONGEST_MEMORY = 200  # quarantined releases that are remembered; the counter forbids older ones anyway


class Step(BaseModel):
    """A step that the operator is to hear of."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    standing: Standing
    sequence: int
    happened_utc: AwareDatetime
    figures: dict[str, float] = {}


class State(BaseModel):
    """How far a device is. The links `active` and `previous` say themselves what they say."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    schema_version: SchemaVersion = VERSION
    phase: Phase = "idle"
    model: str | None = None
    release: int | None = Field(None, description="under way, or the last one that was")
    reason: str | None = Field(None, description="why it did not go on")
    done: Phase | None = Field(None, description="last step of `release` that need not be done again")
    attempts: int = Field(0, ge=0, description="how often the link or something else interrupted `release`")
    cuts: int = Field(0, ge=0, description="how often the power failed in its canary")
    crashes: int = Field(0, ge=0, description="how often the process died of it, or beside it")
    retry_utc: AwareDatetime | None = Field(None, description="`release` is left alone until then")
    boot: str = Field("", description="id of the boot in which `phase` began")
    process: str = Field("", description="that began it; empty: it ended in good order")
    version: str = Field("", description="names what has `done` it: engine, mode and libraries; empty: not known")
    quarantined: dict[int, str] = Field(default_factory=dict, description="release -> why it is not tried again")
    committed: int = Field(0, ge=0, description="release that did well here last; lower ones are refused")
    latest_utc: AwareDatetime | None = Field(None, description="latest time at which signed metadata were valid")
    expires_utc: AwareDatetime | None = Field(None, description="until then, what the repository said last holds")
    sequence: int = Field(0, ge=0, description="of the last report")
    unreported: tuple[Step, ...] = Field((), description="steps that may not have reached the outbox")

    def quarantine(self, release: int, reason: str) -> dict[int, str]:
        """`quarantined` with one more."""
        releases = {**self.quarantined, release: reason}
        return {number: releases[number] for number in sorted(releases)[-LONGEST_MEMORY:]}


class StateFile:
    """`state.json`.

    Args:
        path: of the file; its folder exists.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> State | None:
        """The state; None where there is none yet, or a damaged one, which is kept aside then.

        Raises:
            OSError: it cannot be read, which says nothing about what it holds.
        """
        try:
            return State.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return None
        except ValidationError as error:
            aside = self._path.with_name(f"{self._path.name}.unreadable")
            logger.error("%s is damaged, and kept as %s: %s", self._path, aside.name, error)
            self._path.replace(aside)
            sync_folder(self._path.parent)
            return None

    def save(self, state: State) -> None:
        """Durable when this returns.

        Raises:
            OSError: the disk is full, or cannot be written.
        """
        write_text(self._path, state.model_dump_json(indent=2) + "\n")


def later(one: datetime | None, other: datetime) -> datetime:
    """The later of two times."""
    return other if one is None else max(one, other)
