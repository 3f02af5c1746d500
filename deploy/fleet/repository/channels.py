"""What a channel says after a promotion or a revocation. Pure: the repository reads before and signs afterwards."""

from __future__ import annotations

from pydantic import ValidationError

from fissura.errors import FleetError
from fissura.release import Channel

WHOLE = 100  # percent


def promoted(
    before: Channel | None, name: str, model: str, release: int, percent: int = WHOLE, fallback: int | None = None
) -> Channel:
    """Give a release out to a part of the devices, or to all.

    Args:
        before: the channel as it is; None: there is none yet.
        name: of the channel.
        model: whose release.
        release: that goes out.
        percent: of the devices, that get it.
        fallback: release of all the others, and of all if `release` is revoked one day; None: what the channel gave
            out until now.

    Raises:
        FleetError: devices could not, or must not, follow.
    """
    revoked: tuple[int, ...] = ()
    if before is not None:
        if before.model != model:
            raise FleetError(
                f"channel {name} gives out the model {before.model}, not {model}",
                expected="one model a channel: release numbers of two models cannot be compared",
                fix="promote into another channel, and name that one on the devices",
            )
        if release in before.revoked:
            raise FleetError(
                f"release {release} of {model} was revoked in channel {name}",
                fix="publish the bundle again: it becomes a new release",
            )
        if release < before.release:
            raise FleetError(
                f"channel {name} gives out release {before.release} of {model}, and no device goes back by itself",
                fix=f"fissura fleet revoke {model} {before.release}",
            )
        revoked = before.revoked
        fallback = _kept(before, release) if fallback is None else fallback
    if fallback == release:
        raise FleetError(f"release {release} cannot be the fallback of itself", fix="leave --fallback out")
    return _checked(
        Channel.model_construct(
            channel=name, model=model, release=release, percent=percent, fallback=fallback, revoked=revoked
        )
    )


def without(channel: Channel, release: int, fallback: int | None = None) -> Channel:
    """Take a release back: devices that run it leave it, and nobody gets it any more.

    Args:
        channel: as it is.
        release: to take back.
        fallback: what to give out instead; None: what the channel names as its fallback.

    Raises:
        FleetError: the channel would have nothing to give out.
    """
    revoked = tuple(sorted({*channel.revoked, release}))
    if release == channel.fallback:
        return _checked(channel.model_copy(update={"fallback": fallback, "revoked": revoked}))
    if release != channel.release:
        return channel.model_copy(update={"revoked": revoked})
    instead = channel.fallback if fallback is None else fallback
    if instead is None:
        raise FleetError(
            f"channel {channel.channel} gives out release {release} of {channel.model} and has nothing to fall back to",
            fix="name an older release by --fallback, or promote another one first",
        )
    # Not paused either: devices must be able to fetch what they go back to.
    return _checked(
        channel.model_copy(
            update={"release": instead, "percent": WHOLE, "fallback": None, "revoked": revoked, "paused": False}
        )
    )


def revoking(channel: Channel, revoked: tuple[int, ...]) -> Channel:
    """The same channel, which revokes these releases as well.

    Raises:
        FleetError: it gives one of them out.
    """
    if bad := {channel.release, channel.fallback} & set(revoked):
        raise FleetError(
            f"release {bad.pop()} of {channel.model} was revoked in another channel",
            fix="publish the bundle again: it becomes a new release",
        )
    return channel.model_copy(update={"revoked": tuple(sorted({*channel.revoked, *revoked}))})


def _checked(channel: Channel) -> Channel:
    """A channel whose values are all in range.

    Raises:
        FleetError: they are not.
    """
    try:
        return Channel.model_validate(channel.model_dump())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise FleetError(f"channel {channel.channel}: {f'{where}: ' if where else ''}{first['msg']}") from error


def _kept(before: Channel, release: int) -> int | None:
    """What devices outside of the part go on with."""
    if before.release == release or before.percent < WHOLE:
        return before.fallback
    return before.release
