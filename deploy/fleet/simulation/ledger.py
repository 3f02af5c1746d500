"""What the devices say that they did, noted apart from what the operator heard of it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from fissura.update_messages import TERMINAL, Phase


class Step(NamedTuple):
    """A step of an installation, as the device took it.

    Attributes:
        at_s: monotonic clock of this machine, the same in all processes.
        serial: of the device.
        phase: that was reached.
        release: that it is about; None: none.
        active: release that runs then; None: the bundle that the device came with.
        uuid: of the event that tells it.
    """

    at_s: float
    serial: str
    phase: Phase
    release: int | None
    active: int | None
    uuid: str


class Ledger:
    """Grows only. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps: dict[str, Step] = {}
        self._active: dict[str, int | None] = {}

    def note(self, step: Step) -> None:
        """A step; the same event again changes nothing."""
        with self._lock:
            if self._steps.setdefault(step.uuid, step) is step:
                self._active[step.serial] = step.active

    def steps(self) -> list[Step]:
        """All of them, in the order of time."""
        with self._lock:
            return sorted(self._steps.values(), key=lambda step: step.at_s)

    def ends(self, release: int | None = None) -> list[Step]:
        """Those with which an installation ended, of one release or of all."""
        return [step for step in self.steps() if step.phase in TERMINAL and release in (None, step.release)]

    def running(self, fleet: Iterable[str], release: int | None) -> int:
        """Devices of these on which a release is active, and not in canary."""
        with self._lock:
            return sum(self._active.get(serial) == release for serial in fleet)

    def runs(self) -> Counter[int | None]:
        """Devices by the release that they run."""
        with self._lock:
            return Counter(self._active.values())
