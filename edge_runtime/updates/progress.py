"""How an installation begins, waits, is interrupted and refused, in the journal; the operator hears of each once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from edge_runtime.updates.config import UpdatesConfig
from edge_runtime.updates.journal import Journal
from edge_runtime.updates.ports import Clock
from fissura.release import Channel
from fissura.update_messages import TERMINAL, Phase


class Progress:
    """Decides what is new enough to be written.

    Args:
        journal: of the device.
        clock: the wall clock.
        config: says when an interrupted release is left alone.
    """

    def __init__(self, journal: Journal, clock: Clock, config: UpdatesConfig) -> None:
        self._journal = journal
        self._clock = clock
        self._config = config

    def begins(self, channel: Channel, number: int) -> bool:
        """Whether it is time for a release, which is under way then."""
        under_way = self._journal.under_way and self._journal.state.release == number
        if self.waits(number) or (channel.paused and not under_way):
            return False
        if under_way:
            return True
        self._enter_anew("check", channel, number)
        return True

    def waits(self, number: int) -> bool:
        """Whether a release is left alone for a while."""
        state = self._journal.state
        return state.release == number and state.retry_utc is not None and self._clock.now_utc() < state.retry_utc

    def wait(self, reason: str, **changes: Any) -> None:
        """Deferred; told when the reason is another one."""
        state = self._journal.state
        if not self._journal.under_way and state.release is not None:
            changes["release"] = None
        if state.phase == "deferred" and _word(state.reason) == _word(reason):
            if changes:
                self._journal.note(**changes)
        else:
            self._journal.enter("deferred", reason, **changes)

    def interrupt(self, reason: str) -> None:
        """Neither the release's fault nor a condition of the device: tried again, after some tries more rarely."""
        attempts = self._journal.state.attempts + 1
        changes: dict[str, Any] = {"attempts": attempts}
        if attempts % self._config.attempts == 0:
            changes["retry_utc"] = self._later_utc()
        self.wait(reason, **changes)

    def set_aside(self, reason: str) -> None:
        """Other bytes came than were signed: tried again, but rarely, or whoever does this would have won for good."""
        self._journal.end("quarantined", reason, quarantine=False, retry_utc=self._later_utc())

    def refuse(self, channel: Channel, number: int, reason: str) -> None:
        """Rejected; told once, as long as the channel gives it out."""
        state = self._journal.state
        if state.release == number and state.phase in TERMINAL:
            return
        if number != channel.release and _word(reason) == "downgrade":
            self.rest()  # outside the wave, the others keep what they have: it is newer
        else:
            self._enter_anew("rejected", channel, number, reason)

    def rest(self) -> None:
        """Nothing to do."""
        if self._journal.under_way or self._journal.state.phase == "deferred":
            self._journal.enter("idle", release=None, done=None)

    def _later_utc(self) -> datetime:
        return self._clock.now_utc() + timedelta(seconds=self._config.retry_s)

    def _enter_anew(self, phase: Phase, channel: Channel, number: int, reason: str | None = None) -> None:
        self._journal.enter(
            phase,
            reason,
            model=channel.model,
            release=number,
            done=None,
            attempts=0,
            cuts=0,
            crashes=0,
            retry_utc=None,
            version="",
        )


def _word(reason: str | None) -> str:
    return (reason or "").partition(":")[0]
