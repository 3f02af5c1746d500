"""What the channel has to say in each state of a roll-out. The roll-out is decided first, and the channel follows."""

from __future__ import annotations

from deploy.fleet.registry.audit import canonical
from deploy.fleet.registry.rows import Rollout
from fissura.release import Channel


def wanted_channel(rollout: Rollout, revoked: tuple[int, ...]) -> Channel:
    """The channel of a roll-out.

    Args:
        rollout: and its state.
        revoked: releases that the channel has revoked before.
    """
    if rollout.state in ("aborting", "aborted"):
        if rollout.fallback is None:  # nothing to go back to: whoever has it keeps it, nobody else gets it
            return Channel(
                channel=rollout.channel,
                model=rollout.model,
                release=rollout.release,
                percent=0,
                revoked=revoked,
                paused=True,
            )
        return Channel(
            channel=rollout.channel,
            model=rollout.model,
            release=rollout.fallback,
            revoked=revoked if rollout.release in revoked else (*revoked, rollout.release),
        )
    return Channel(
        channel=rollout.channel,
        model=rollout.model,
        release=rollout.release,
        percent=rollout.percent,
        fallback=rollout.fallback,
        revoked=revoked,
        paused=rollout.state == "paused",
    )


def essence(channel: Channel | None) -> str:
    """What a roll-out compares of a channel; "" for none.

    Without the version of the schema, which changes with fissura, and without `revoked`, to which the operator may add
    an old release at any time.
    """
    return "" if channel is None else canonical(channel.model_dump(mode="json", exclude={"schema_version", "revoked"}))
