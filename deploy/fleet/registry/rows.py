"""What the registry gives out. Times are seconds of UTC since 1970; the operator's clock unless it says otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fissura.update_messages import Phase

# 'aborting': decided, but the channel is not signed for it yet. 'superseded': somebody else has changed the channel.
RolloutState = Literal["running", "paused", "aborting", "aborted", "superseded", "done"]
Intent = Literal["pause", "resume", "abort"]
# Roll-outs in these states hold their channel: there is one at most.
OPEN: frozenset[RolloutState] = frozenset(("running", "paused", "aborting"))


@dataclass(frozen=True)
class Device:
    """A device, as its newest report says.

    Attributes:
        serial: of the device.
        channel: that it listens to; None: it has only told that it is there.
        hardware: kind of device.
        version: of fissura.
        phase: of its update machine.
        model: of the release that `phase` is about.
        release: that `phase` is about.
        reason: why it did not go on.
        active: release that runs; None: the bundle it came with.
        previous: release that it would go back to.
        quarantined: releases that it will not try again.
        sequence: of the newest report; -1: none yet.
        online: whether its agent is connected, as far as the broker knows.
        seen_s: when it was last heard, or we learnt that it had said something while we did not listen.
        reported_s: when its newest report came in, 0 where that was kept by the broker from before we listened.
    """

    serial: str
    channel: str | None
    hardware: str | None
    version: str | None
    phase: Phase
    model: str | None
    release: int | None
    reason: str | None
    active: int | None
    previous: int | None
    quarantined: tuple[int, ...]
    sequence: int
    online: bool
    seen_s: float
    reported_s: float


@dataclass(frozen=True)
class Event:
    """A step of an installation.

    Attributes:
        uuid: of the message.
        serial: of the device.
        sequence: of the report.
        phase: that was reached.
        model: of the release.
        release: that it is about.
        reason: why it did not go on.
        channel: of the device.
        hardware: kind of device.
        version: of fissura.
        happened_s: by the device's clock.
        stored_s: by ours.
        figures: what was measured.
    """

    uuid: str
    serial: str
    sequence: int
    phase: Phase
    model: str | None
    release: int | None
    reason: str | None
    channel: str
    hardware: str
    version: str
    happened_s: float
    stored_s: float
    figures: dict[str, float]


@dataclass(frozen=True)
class Rollout:
    """A release on its way to the devices of a channel.

    Attributes:
        id: counts the roll-outs.
        model: of the release.
        release: that is given out.
        channel: to whose devices.
        fallback: release of the devices whose turn has not come; None: whatever they have.
        percents: of the waves.
        state: where it stands.
        wave: number of the current wave, from 0.
        reason: of a pause or an abort.
        intent: what the operator wants and the controller has not done yet.
        intent_reason: why the operator wants it.
        accepted: devices that had failed when the operator resumed it; these failures do not count again.
        since_s: no silence counts from before this.
        signed: the essence of the channel that was last recorded as signed; "": there was none.
        created_s: when it began.
        updated_s: when it last changed.
    """

    id: int
    model: str
    release: int
    channel: str
    fallback: int | None
    percents: tuple[int, ...]
    state: RolloutState
    wave: int
    reason: str | None
    intent: Intent | None
    intent_reason: str | None
    accepted: tuple[str, ...]
    since_s: float
    signed: str
    created_s: float
    updated_s: float

    @property
    def percent(self) -> int:
        """Of the devices that belong to the current wave."""
        return self.percents[self.wave]


@dataclass(frozen=True)
class Wave:
    """A step of a roll-out. `started_s` is None until the channel is signed for it, `ended_s` until the next begins.

    Attributes:
        rollout: it belongs to.
        number: from 0.
        percent: of the devices.
        started_s: when the channel was signed for it.
        ended_s: when it was over.
        counts: of its devices, by standing ('committed', 'failed', ...), at its end or when last looked at.
    """

    rollout: int
    number: int
    percent: int
    started_s: float | None
    ended_s: float | None
    counts: dict[str, int]


@dataclass(frozen=True)
class AuditEntry:
    """A line of the audit; `hash` covers the line and the hash of the line before it.

    Attributes:
        number: from 1, without a gap.
        at_s: when.
        actor: user and host.
        action: such as 'rollout', 'sign', 'pause'.
        details: of the action.
        hash: hexadecimal SHA-256.
    """

    number: int
    at_s: float
    actor: str
    action: str
    details: dict[str, object]
    hash: str
