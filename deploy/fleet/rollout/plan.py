"""How a roll-out begins: from the signed channel, so that it goes on where it was when the registry is lost."""

from __future__ import annotations

from deploy.fleet.registry.rollouts import Plan
from deploy.fleet.rollout.channel import essence
from fissura.errors import FleetError
from fissura.release import Channel


def plan_rollout(
    model: str, release: int, channel: str, waves: tuple[int, ...], now: Channel | None, revoked: tuple[int, ...] = ()
) -> Plan:
    """Plan a roll-out.

    Args:
        model: of the release.
        release: to give out.
        channel: name of the channel.
        waves: percents, growing to 100.
        now: the channel as it is signed; None: there is none.
        revoked: releases of the model that other channels revoke, and a new one with them.

    Raises:
        FleetError: the channel is on its way with another release, serves another model, or has revoked this one.
    """
    if release in (revoked if now is None else now.revoked):
        raise FleetError(f"release {release} of {model} is revoked", fix="publish a mended model as a new release")
    if now is None:
        return Plan(model, release, channel, None, waves)
    if now.model != model:
        raise FleetError(
            f"channel {channel!r} serves the model {now.model!r}", expected=f"a channel of {model!r}, or a new one"
        )
    if now.release == release:
        return _resumed(model, release, channel, waves, now)
    if release < now.release:
        raise FleetError(
            f"channel {channel!r} has release {now.release}: devices do not go back to {release}",
            expected=f"a release above {now.release}",
            fix=f"to leave a bad one: fissura fleet revoke {model} {now.release}",
        )
    if now.percent < 100 or now.paused:
        raise FleetError(
            f"channel {channel!r} gives release {now.release} to {now.percent} %{', paused' if now.paused else ''}",
            fix=f"fissura fleet rollout {model} {now.release} --channel {channel} goes on with it; to pass over it:"
            f" fissura fleet promote {model} {release} --channel {channel} --percent 0, then this again",
        )
    return Plan(model, release, channel, now.release, waves, signed=essence(now))


def _resumed(model: str, release: int, channel: str, waves: tuple[int, ...], now: Channel) -> Plan:
    """The registry knows nothing of it, but the channel has got somewhere: go on there, and never narrow it."""
    earlier = tuple(percent for percent in waves if percent < now.percent)
    here = (now.percent,) if now.percent else ()
    later = tuple(percent for percent in waves if percent > now.percent)
    return Plan(
        model,
        release,
        channel,
        now.fallback,
        (*earlier, *here, *later),
        wave=len(earlier),
        state="paused" if now.paused else "running",
        signed=essence(now),
    )
