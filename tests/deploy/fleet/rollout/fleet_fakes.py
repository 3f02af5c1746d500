"""The boundary of a roll-out: a channel in a file instead of a repository, and devices that are only numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from typing import Literal

from deploy.fleet.registry.intake import Heard
from deploy.fleet.registry.registry import Registry
from deploy.fleet.registry.rollouts import begin
from deploy.fleet.registry.rows import Rollout
from deploy.fleet.rollout.controller import Controller
from deploy.fleet.rollout.plan import plan_rollout
from deploy.fleet.settings import RolloutSettings
from fissura.bundle import MANIFEST_NAME
from fissura.errors import FleetError
from fissura.files import write_text
from fissura.release import Channel, Release, ReleaseFile, read_document
from fissura.update_messages import Phase, Presence, UpdateEvent, UpdateState

MODEL, CHANNEL = "crack", "stable"
HASH = "0" * 64


class FileSigner:
    """Implements `ChannelSigner` with files: the channel, and every signature that ever was."""

    def __init__(self, folder: Path, hardware: tuple[str, ...] = ("*",)) -> None:
        self._folder = folder
        self._hardware = hardware
        folder.mkdir(exist_ok=True)

    def channel(self, name: str) -> Channel | None:
        try:
            return read_document(Channel, (self._folder / name).read_bytes(), name)
        except FileNotFoundError:
            return None

    def set_channel(self, channel: Channel, *, expected: Channel | Literal["any"] | None = "any") -> None:
        if expected != "any" and self.channel(channel.channel) != expected:
            raise FleetError("changed by somebody else")
        # The history first: a kill in between must not hide a signature, it may only show one that was not.
        with (self._folder / "history").open("a") as stream:
            stream.write(json.dumps(channel.model_dump(mode="json")) + "\n")
        write_text(self._folder / channel.channel, channel.to_json().decode())

    def release(self, model: str, number: int) -> Release:
        return Release(
            model=model,
            release=number,
            created_utc=datetime.now(timezone.utc),
            bundle_id=HASH,
            files=(ReleaseFile(path=MANIFEST_NAME, length=1, sha256=HASH),),
            hardware=self._hardware,
        )

    def history(self) -> list[Channel]:
        """All that was ever signed."""
        try:
            lines = (self._folder / "history").read_text().splitlines()
        except FileNotFoundError:
            return []
        return [Channel.model_validate_json(line) for line in lines]


def serials(count: int) -> list[str]:
    return [f"truck-{number:05d}" for number in range(count)]


def here(names: Iterable[str], sequence: int = 1, active: int | None = None) -> list[Heard]:
    """Devices that are connected and do nothing."""
    heard = []
    for name in names:
        heard.append(Heard(state(name, "idle", None, sequence, active=active)))
        heard.append(Heard(Presence(serial=name, online=True)))
    return heard


def state(
    serial: str,
    phase: Phase,
    release: int | None,
    sequence: int,
    *,
    active: int | None = None,
    reason: str | None = None,
    quarantined: tuple[int, ...] = (),
    hardware: str = "x86_64",
) -> UpdateState:
    return UpdateState(
        serial=serial,
        sequence=sequence,
        phase=phase,
        model=None if release is None else MODEL,
        release=release,
        reason=reason,
        channel=CHANNEL,
        hardware=hardware,
        version="0.1.0",
        active=active,
        quarantined=quarantined,
    )


def event(serial: str, phase: Phase, release: int, sequence: int, reason: str | None = None) -> UpdateEvent:
    return UpdateEvent(
        serial=serial,
        sequence=sequence,
        phase=phase,
        model=MODEL,
        release=release,
        reason=reason,
        channel=CHANNEL,
        hardware="x86_64",
        version="0.1.0",
        happened_utc=datetime.now(timezone.utc),
    )


def ended(serial: str, release: int, sequence: int, *, good: bool) -> list[Heard]:
    """What a device says at the end of an installation."""
    if good:
        told = state(serial, "committed", release, sequence, active=release)
        return [Heard(told), Heard(event(serial, "committed", release, sequence))]
    reason = "golden: mask IoU 0.4"
    told = state(serial, "rejected", release, sequence, reason=reason, quarantined=(release,))
    return [Heard(told), Heard(event(serial, "rejected", release, sequence, reason))]


def start(
    registry: Registry,
    signer: FileSigner,
    release: int,
    settings: RolloutSettings,
    now_s: float,
    announced: list[Rollout] | None = None,
) -> Controller:
    """A new roll-out, and the controller that moves it."""
    plan = plan_rollout(MODEL, release, CHANNEL, settings.waves, signer.channel(CHANNEL))
    rollout = begin(registry, plan, now_s)
    told = [] if announced is None else announced
    return Controller(registry, rollout, signer, settings, told.append, clock=hasty())


def hasty() -> Callable[[], float]:
    """A clock by which every look is due."""
    return count(0.0, 60.0).__next__
