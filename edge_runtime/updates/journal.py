"""The state, and the reports that follow from it: a step is on the disk before it begins, and told afterwards."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from edge_runtime.clock import boot_id
from edge_runtime.updates.clock import SystemClock
from edge_runtime.updates.installed import model_of
from edge_runtime.updates.layout import Layout
from edge_runtime.updates.ports import Clock, Report, Standing
from edge_runtime.updates.state import MOST_UNREPORTED, State, StateFile, Step, later
from fissura.update_messages import TERMINAL, Phase

logger = logging.getLogger(__name__)

RESTING: frozenset[Phase] = TERMINAL | {"idle", "deferred"}
PROCESS = uuid.uuid4().hex
REMEMBERED_EVERY = timedelta(hours=1)  # the time; spares the flash


class Journal:
    """Reads and writes `state.json`. One at a time: see `lock`.

    Args:
        layout: of the device.
        report: told of every step; None: the steps stay in the state until somebody with a report comes.
        clock: stamps them.

    Raises:
        OSError: the state cannot be read.
    """

    def __init__(self, layout: Layout, report: Report | None = None, clock: Clock | None = None) -> None:
        self._layout = layout
        self._file = StateFile(layout.state)
        self._report = report
        self._clock = clock or SystemClock()
        self.state = self._file.load() or _unknown(layout)

    @property
    def under_way(self) -> bool:
        """Whether an installation has begun and not ended."""
        return self.state.release is not None and self.state.phase not in {*TERMINAL, "idle"}

    @property
    def foreign(self) -> bool:
        """Whether another process began the phase."""
        return self.state.process != PROCESS

    @property
    def crashed(self) -> bool:
        """Whether the process that began the phase died in it, while the device stayed up."""
        state = self.state
        return bool(state.process) and self.foreign and bool(boot_id()) and state.boot == boot_id()

    def standing(self) -> Standing:
        """Where the device stands."""
        state, layout = self.state, self._layout
        return Standing(
            state.phase,
            state.model,
            state.release,
            state.reason,
            layout.number("active"),
            layout.number("previous"),
            tuple(state.quarantined),
        )

    def enter(
        self, phase: Phase, reason: str | None = None, figures: Mapping[str, float] | None = None, **changes: Any
    ) -> None:
        """Begin a phase, and tell it.

        Args:
            phase: to begin.
            reason: why it did not go on.
            figures: that were measured in the phase before.
            **changes: other fields of the state.
        """
        self.state = self.state.model_copy(
            update={"boot": boot_id(), "process": PROCESS, **changes, "phase": phase, "reason": reason}
        )
        sequence = self.state.sequence + 1
        step = Step(
            standing=self.standing(),
            sequence=sequence,
            happened_utc=self._clock.now_utc(),
            figures=dict(figures or {}),
        )
        self.note(sequence=sequence, unreported=(*self.state.unreported, step)[-MOST_UNREPORTED:])
        self.flush()

    def end(self, phase: Phase, reason: str, *, quarantine: bool = True, **changes: Any) -> None:
        """End the installation of `state.release` without success."""
        number = self.state.release
        if quarantine and number is not None:
            changes["quarantined"] = self.state.quarantine(number, reason)
        self.enter(phase, reason, **changes)

    def note(self, **changes: Any) -> None:
        """Change fields of the state without telling."""
        self.state = self.state.model_copy(update=changes)
        self._file.save(self.state)

    def remember_time(self, expires_utc: datetime) -> None:
        """It is now, and the signed metadata are valid until then."""
        now_utc, latest_utc = self._clock.now_utc(), self.state.latest_utc
        if latest_utc is None or now_utc - latest_utc > REMEMBERED_EVERY or self.state.expires_utc != expires_utc:
            self.note(latest_utc=later(latest_utc, now_utc), expires_utc=expires_utc)

    def flush(self) -> None:
        """Hand over what has not been told, if there is somebody to tell.

        That it was told is on the disk with the next step, or at once where there will be none for long: a kill in
        between makes a step be told twice, with the same number.
        """
        if self._report is None or not self.state.unreported:
            return
        for step in self.state.unreported:
            self._report.event(step.standing, step.sequence, step.happened_utc, step.figures)
        self.tell()
        self.state = self.state.model_copy(update={"unreported": ()})
        if self.state.phase in RESTING:
            try:
                self._file.save(self.state)
            except OSError as error:
                logger.warning("%s cannot be written: %s", self._layout.state, error)

    def tell(self) -> None:
        """Tell where the device stands."""
        if self._report is not None:
            self._report.state(self.standing(), self.state.sequence)


def _unknown(layout: Layout) -> State:
    """Of a new device, or of one whose state is lost.

    A release that is active has done its shadow, but perhaps not its canary: it is left, and has to go through that.
    """
    active = layout.number("active")
    if active is None:
        return State()
    logger.error("it is not known whether release %d has done its canary: it has to do it again", active)
    return State(
        phase="canary",
        model=model_of(layout, active),
        release=active,
        done="shadow",
        committed=layout.number("previous") or 0,
    )
