"""Reports as messages: what the machine says, and who says it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from uuid import UUID

from edge_runtime.updates.ports import Standing
from fissura import __version__
from fissura.update_messages import Presence, UpdateEvent, UpdateState

LONGEST_REASON = 2000  # characters


@dataclass(frozen=True)
class Letterhead:
    """Who reports.

    Attributes:
        serial: of the device.
        channel: that it follows.
        hardware: kind of device.
    """

    serial: str
    channel: str
    hardware: str

    def presence(self, *, online: bool) -> Presence:
        """Whether the device is connected."""
        return Presence(serial=self.serial, online=online)

    def state(self, standing: Standing, number: int) -> UpdateState:
        """Where the device stands; `number`: of the report."""
        return UpdateState(
            **self._report(standing, number),
            active=standing.active,
            previous=standing.previous,
            quarantined=standing.quarantined,
        )

    def event(
        self, standing: Standing, number: int, uuid: UUID, happened_utc: datetime, figures: Mapping[str, float]
    ) -> UpdateEvent:
        """A step of an installation; `number`: of the report. Figures that JSON has no number for are left out."""
        return UpdateEvent(
            uuid=uuid,
            **self._report(standing, number),
            happened_utc=happened_utc,
            figures={name: value for name, value in figures.items() if math.isfinite(value)},
        )

    def _report(self, standing: Standing, number: int) -> dict[str, Any]:
        """What a state and an event have in common."""
        return {
            "serial": self.serial,
            "sent_utc": datetime.now(timezone.utc),
            "sequence": number,
            "phase": standing.phase,
            "model": standing.model,
            "release": standing.release,
            "reason": _short(standing.reason),
            "channel": self.channel,
            "hardware": self.hardware,
            "version": __version__,
        }


def _short(reason: str | None) -> str | None:
    return reason if reason is None else reason[:LONGEST_REASON]
