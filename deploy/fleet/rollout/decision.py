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
        reason: a word first: 'failures: ...', 'silence: ...', 'absence: ...'.
    """

    reason: str


Decision = Advance | Wait | Pause


def decide(
    wave: Tally, settings: RolloutSettings, accepted: int = 0, *, overdue: bool = False, last: bool = False
) -> Decision:
    """Judge a wave.

    It is judged when `minimum_reports` of its devices have told how it ended, or all of a smaller wave, those that are
    offline included: a few that are there say nothing about a thousand that are not. Too many failures or too much
    silence stop it whether it is judged or not. Once it is judged, absent and deferred devices hold nothing up, and
    when it is overdue, neither do so few others that their failures would not stop it.

    Args:
        wave: how its devices stand; those of the earlier waves are among them.
        settings: the limits.
        accepted: devices among `wave.failed` whose failures the operator knew of when the roll-out was resumed.
        overdue: whether it has lasted for `silence_s`.
        last: whether it is given to all devices already: then it waits for nobody who is offline.
    """
    failed = wave.failed - accepted
    ended = wave.committed + failed
    left = wave.running + wave.waiting
    minimum = min(settings.minimum_reports, wave.members - accepted - (wave.absent if last else 0))
    judged = ended >= minimum and (wave.ended > 0 or not wave.members)
    if (judged or not left) and failed >= threshold(ended, settings):
        return Pause(f"failures: {failed} of {ended} devices that finished at this wave")
    if wave.silent >= threshold(ended + wave.silent, settings):
        return Pause(f"silence: {wave.silent} of {wave.present} devices were not heard")
    unknown = failed + wave.silent + left
    over = not left or (overdue and judged and unknown < threshold(wave.committed + unknown, settings))
    if over and failed and not wave.committed:
        return Pause(f"failures: all {failed} devices that finished at this wave")
    if over and judged:
        return Advance()
    if over and wave.silent:
        return Pause(f"silence: {wave.silent} of {wave.present} devices were not heard, and too few of the others")
    if overdue and ended + left < minimum:
        return Pause(f"absence: too few devices are there: {ended} of at least {minimum} have finished")
    return Wait()  # for those that are under way, offline or deferred


def threshold(devices: int, settings: RolloutSettings) -> float:
    """Failures of so many devices that stop a roll-out."""
    return max(settings.failure_minimum, settings.failure_share * devices)
