"""Whether a roll-out goes on. Nothing but the numbers goes in, so that every case can be tried."""

from __future__ import annotations

from dataclasses import dataclass

from deploy.fleet.rollout.standing import Tally
from deploy.fleet.settings import RolloutSettings


@dataclass(frozen=True)
class Advance:
    """The wave is over and good."""


@dataclass(frozen=True)
class Wait:
    """Not enough is known yet."""


@dataclass(frozen=True)
class Pause:
    """Somebody has to look.

    Attributes:
        reason: a word first: 'failures: ...', 'silence: ...'.
    """

    reason: str


Decision = Advance | Wait | Pause


def decide(wave: Tally, settings: RolloutSettings, accepted: int = 0) -> Decision:
    """Judge a wave.

    Failures are judged as soon as `minimum_reports` devices have told how it ended, or all of those that can; silence
    at once. Absent devices hold nothing up: the release waits for them. Deferred ones do only where too few others have
    told.

    Args:
        wave: how its devices stand; those of the earlier waves are among them.
        settings: the limits.
        accepted: failures that the operator knew of when the roll-out was resumed.
    """
    failed = max(0, wave.failed - accepted)
    ended = wave.committed + failed
    judged = ended >= min(settings.minimum_reports, ended + wave.running + wave.deferred + wave.silent + wave.waiting)
    over = not wave.running and not wave.waiting
    if (judged or over) and failed >= threshold(ended, settings):
        return Pause(f"failures: {failed} of {ended} devices that finished at this wave")
    if wave.silent >= threshold(ended + wave.silent, settings):
        return Pause(f"silence: {wave.silent} of {wave.present} devices were not heard")
    if not over:
        return Wait()
    if failed and not wave.committed:
        return Pause(f"failures: all {failed} devices that finished at this wave")
    if judged:
        return Advance()
    if wave.silent:
        return Pause(f"silence: {wave.silent} of {wave.present} devices were not heard, and too few of the others")
    return Wait()  # for a deferred one


def threshold(devices: int, settings: RolloutSettings) -> float:
    """Failures of so many devices that stop a roll-out."""
    return max(settings.failure_minimum, settings.failure_share * devices)
