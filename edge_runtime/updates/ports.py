"""What the update machine asks of its surroundings: the test of a model, the stream, the reports, the conditions.

Each is a protocol, so that the machine can be driven without cameras, engines and brokers.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from fissura.update_messages import Phase


@dataclass(frozen=True)
class Standing:
    """Where the device stands, as its reports tell it.

    Attributes:
        phase: of the installation that `release` is about.
        model: name of the model; None: no channel was read yet.
        release: that `phase` is about; None: none.
        reason: why it did not go on, a short word first; None: it goes on.
        active: release that runs; None: the bundle that the device came with.
        previous: release that it would go back to; None: the one it came with.
        quarantined: releases that are not tried again.
    """

    phase: Phase
    model: str | None = None
    release: int | None = None
    reason: str | None = None
    active: int | None = None
    previous: int | None = None
    quarantined: tuple[int, ...] = ()


class Trial(Protocol):
    """Builds a model's engine and tests it, away from the stream."""

    def run(self, bundle: Path, stopping: threading.Event) -> Mapping[str, float]:
        """Try a bundle; returns what was measured.

        Args:
            bundle: a verified bundle.
            stopping: set when the process is to end; `run` then returns soon, and what it returns does not count.

        Raises:
            RejectedError: the model does not do on this device. `found` begins with a word: ``golden: ...``.
        """
        ...


class Stream(Protocol):
    """The frames, and the model that looks at them."""

    def shadow(self, bundle: Path, stopping: threading.Event) -> Mapping[str, float]:
        """Let the new model see the same frames as the old one; blocks until it has seen enough.

        Raises:
            RejectedError: its output is not what the old one gives. `found` begins with a word.
        """
        ...

    def switch(self) -> None:
        """The link `active` (or what stands for it) was exchanged: use it from the next frame on.

        Raises:
            FissuraError: it could not be taken over; the machine puts the old link back and calls `follow`.
        """
        ...

    def follow(self, number: int | None) -> None:
        """Use a release from the next frame on, if it is not in use; where that cannot be, end the run. Never raises.

        Args:
            number: of the release; None: the bundle that the device came with.
        """
        ...

    def canary(self, stopping: threading.Event) -> Mapping[str, float]:
        """Watch the new model at work; blocks until it has done enough.

        Raises:
            RejectedError: it does not do. `found` begins with a word: ``latency: ...``.
        """
        ...


class Report(Protocol):
    """Tells the operator. Never blocks, never raises."""

    def state(self, standing: Standing, sequence: int) -> None:
        """Where the device stands; a later one takes the place of an earlier one."""
        ...

    def event(self, standing: Standing, sequence: int, happened_utc: datetime, figures: Mapping[str, float]) -> None:
        """A step of an installation, durable when this returns; may come twice with one `sequence`."""
        ...


class Conditions(Protocol):
    """Whether the device has time for an installation."""

    def check(self) -> None:
        """Returns if it has.

        Raises:
            DeferredError: not now. `found` begins with a word: ``flight: ...``, ``heat: ...``, ``battery: ...``.
        """
        ...


class Clock(Protocol):
    """The wall clock."""

    def now_utc(self) -> datetime:
        """The time, as far as the device knows it."""
        ...
