"""What a device and the operator of a fleet say to each other about updates, over MQTT.

Nothing here is trusted: an announcement makes a device look into the signed repository, and that is all it can do. The
device's messages are reports. See `fissura.messages` for the rules of all messages.
"""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from fissura.messages import Message, UtcTime
from fissura.schema_version import CURRENT, SchemaVersion

Phase = Literal[
    "idle",
    "check",
    "deferred",
    "download",
    "verify",
    "build",
    "selftest",
    "shadow",
    "canary",
    "committed",
    "rejected",
    "rolled_back",
    "quarantined",
]
# How an installation ends; the operator waits for one of these from every device of a wave.
TERMINAL: frozenset[Phase] = frozenset(("committed", "rejected", "rolled_back", "quarantined"))
FAILURES: frozenset[Phase] = TERMINAL - {"committed"}


class _Report(Message):
    sequence: int = Field(ge=0, description="grows with every report of this device, across restarts")
    phase: Phase
    model: str | None = None
    release: int | None = Field(None, description="that `phase` is about")
    reason: str | None = Field(None, description="why, where it did not go on: a short word first, such as 'latency: '")
    channel: str
    hardware: str = Field(description="kind of device, as releases name it")
    version: str = Field(description="of fissura")


class UpdateState(_Report):
    """Where a device stands. Topic `update/state`, retained."""

    active: int | None = Field(None, description="release that runs; null: the bundle the device came with")
    previous: int | None = Field(None, description="release that it would go back to")
    quarantined: tuple[int, ...] = Field((), description="releases that it will not try again")


class UpdateEvent(_Report):
    """A step of an installation. Topic `update/event`; kept on the device until the operator acknowledges it."""

    happened_utc: UtcTime
    figures: dict[str, float] = Field(
        default_factory=dict, description="what was measured: 'p99_ms', 'mask_iou', 'bytes', ..."
    )


class Presence(Message):
    """Whether a device's agent is connected. Topic `update/online`, retained; the broker sends the last will."""

    online: bool


class _FromOperator(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    schema_version: SchemaVersion = CURRENT


class Announcement(_FromOperator):
    """Something changed in the repository. Topic `fleet/announce/<channel>`, retained."""

    channel: str
    release: int | None = Field(None, ge=0, description="for the spread of the devices' questions")
    window_s: float = Field(60, ge=0, le=86_400, description="the devices ask within so many seconds, spread evenly")


class Acknowledgement(_FromOperator):
    """The operator has stored these events. Topic `update/ack`."""

    events: tuple[UUID, ...] = Field(max_length=1000)


class CheckNow(_FromOperator):
    """One device is to look into the repository. Topic `update/command`."""

    name: Literal["check"]


UPDATE_MESSAGES: dict[str, type[Message]] = {
    "update_state": UpdateState,
    "update_event": UpdateEvent,
    "update_online": Presence,
}
