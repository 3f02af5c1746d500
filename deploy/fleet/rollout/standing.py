"""How the devices of a wave stand towards its release."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from typing import Literal

from deploy.fleet.registry.rows import Device
from fissura.cohort import in_wave
from fissura.update_messages import FAILURES, Phase

Standing = Literal["committed", "failed", "running", "deferred", "silent", "waiting", "absent", "gone"]
HORIZON_S = 7 * 86_400.0  # an offline device that was not heard for so long is gone
MOST_SILENCES = 4  # of `silence_s`: so long may an installation take, however much a device talks meanwhile
UNDER_WAY: frozenset[Phase] = frozenset(("check", "download", "verify", "build", "selftest", "shadow", "canary"))


@dataclass(frozen=True)
class Tally:
    """How many devices of a wave stand where.

    Attributes:
        committed: run the release for good.
        failed: have rejected it, or rolled it back.
        running: are installing it.
        deferred: wait for better conditions: flight, heat, battery.
        silent: should have been heard, and were not.
        waiting: have not begun yet.
        absent: are offline and have not begun; the release waits for them.
        gone: are absent since long; nobody waits for them.
    """

    committed: int = 0
    failed: int = 0
    running: int = 0
    deferred: int = 0
    silent: int = 0
    waiting: int = 0
    absent: int = 0
    gone: int = 0

    @property
    def ended(self) -> int:
        """Devices that have told how it ended."""
        return self.committed + self.failed

    @property
    def present(self) -> int:
        """Devices that the wave can learn from."""
        return self.ended + self.running + self.deferred + self.silent + self.waiting

    @property
    def members(self) -> int:
        """Devices that the release is for."""
        return self.present + self.absent

    def to_counts(self) -> dict[str, int]:
        """By standing."""
        return asdict(self)


@dataclass(frozen=True)
class Question:
    """What is asked about the devices.

    Attributes:
        model: of the release.
        release: that is rolled out.
        percent: of the devices that it is given to.
        hardware: kinds of devices that it is for, as shell patterns.
        ends: how installations of it ended, by serial, as events tell.
        since_s: no silence counts from before this: the wave's start, or when we began to listen, UTC.
        silence_s: patience with a silent device.
        now_s: the time, UTC.
    """

    model: str
    release: int
    percent: int
    hardware: tuple[str, ...]
    ends: Mapping[str, tuple[Phase, str | None]]
    since_s: float
    silence_s: float
    now_s: float

    @property
    def waited_s(self) -> float:
        """How long the devices have had."""
        return self.now_s - self.since_s

    @property
    def is_overdue(self) -> bool:
        """Whether they have had long enough to be heard."""
        return self.waited_s > self.silence_s


def standings(devices: Iterable[Device], question: Question) -> dict[str, Standing]:
    """How the devices of a wave stand, by serial."""
    return {device.serial: standing(device, question) for device in devices if belongs(device, question)}


def tally(found: Iterable[Standing]) -> Tally:
    """Count them."""
    return Tally(**Counter[str](found))


def belongs(device: Device, question: Question) -> bool:
    """Whether the wave gives the release to this device."""
    if not in_wave(device.serial, question.release, question.percent):
        return False
    # Of the wrong kind it will refuse the release, which says nothing about the release.
    return device.hardware is None or any(fnmatchcase(device.hardware, kind) for kind in question.hardware)


def standing(device: Device, question: Question) -> Standing:
    """How one device stands."""
    # `active` and `quarantined` are bare numbers: of the model that the device speaks about.
    of_model = device.model in (None, question.model)
    about_it = of_model and device.release == question.release
    runs_it = of_model and device.active == question.release and not (about_it and device.phase == "canary")
    end, _ = question.ends.get(device.serial, (None, None))
    if (of_model and question.release in device.quarantined) or (about_it and device.phase in FAILURES):
        return "failed"
    if runs_it or end == "committed":
        return "committed"
    if end in FAILURES:  # it may be trying again; the failure was one all the same
        return "failed"
    if about_it and device.phase in UNDER_WAY:  # offline or not: what it was given may have broken it
        unheard_s = question.now_s - max(device.reported_s, question.since_s)
        endless = question.waited_s > MOST_SILENCES * question.silence_s
        return "silent" if unheard_s > question.silence_s or endless else "running"
    if not device.online:
        return "gone" if question.now_s - device.seen_s > HORIZON_S else "absent"
    if about_it and device.phase == "deferred":
        return "deferred"
    return "silent" if question.is_overdue else "waiting"
