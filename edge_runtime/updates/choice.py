"""Which release a device is to run, as the channel has it, and whether it may."""

from __future__ import annotations

from dataclasses import dataclass

from fissura.cohort import in_wave
from fissura.errors import RejectedError
from fissura.release import Channel


@dataclass(frozen=True)
class Bounds:
    """What a device does not go below.

    Attributes:
        active: release that runs; None: the bundle that the device came with.
        committed: release that did well here last, and is the lowest to go on with.
    """

    active: int | None
    committed: int


def wanted_release(channel: Channel, serial: str) -> int | None:
    """Release that the channel gives to this device; None: whatever it has."""
    return channel.release if in_wave(serial, channel.release, channel.percent) else channel.fallback


def check_allowed(number: int, min_release: int) -> None:
    """Check that the application allows a release.

    Raises:
        RejectedError: it does not.
    """
    if number < min_release:
        raise RejectedError(
            f"min_release: {number} is too old",
            expected=f"{min_release} or newer, which the application was built with",
        )


def check_bounds(number: int, channel: Channel, bounds: Bounds) -> None:
    """Check that a release is no step back.

    A step back is only right from a release that the channel, which is signed, revokes; also after it was left.

    Raises:
        RejectedError: it is one.
    """
    floor = max((n for n in (bounds.committed, bounds.active or 0) if n not in channel.revoked), default=0)
    if number < floor:
        raise RejectedError(
            f"downgrade: {number} is older than {floor}",
            expected="a newer release",
            fix="publish the old bundle again as a new release; or revoke the one that runs",
        )
