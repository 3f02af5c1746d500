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
        committed: highest release that did well here.
        min_release: lowest that the application allows.
    """

    active: int | None
    committed: int
    min_release: int


def wanted_release(channel: Channel, serial: str) -> int | None:
    """Release that the channel gives to this device; None: whatever it has."""
    return channel.release if in_wave(serial, channel.release, channel.percent) else channel.fallback


def check_bounds(number: int, channel: Channel, bounds: Bounds) -> None:
    """Check that a release is no step back.

    A step back is only right away from a release that the channel, which is signed, revokes.

    Raises:
        RejectedError: it is one.
    """
    if number < bounds.min_release:
        raise RejectedError(
            f"min_release: {number} is too old",
            expected=f"{bounds.min_release} or newer, which the application was built with",
        )
    floor = 0 if bounds.active in channel.revoked else max(bounds.committed, bounds.active or 0)
    if number < floor:
        raise RejectedError(
            f"downgrade: {number} is older than {floor}",
            expected="a newer release",
            fix="publish the old bundle again as a new release; or revoke the one that runs",
        )
