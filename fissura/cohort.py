"""Which devices go first, and when each one asks: the same answer on the device and at the operator.

Both are drawn from a hash of the device's serial and the release, so that nobody has to keep lists, a device that was
wiped stands where it stood, and the next release tries other devices first.
"""

from __future__ import annotations

import hashlib

PERCENT = 100


def group(serial: str, release: int) -> int:
    """The device's place in the roll-out of a release, 0 (first) to 99.

    Args:
        serial: of the device.
        release: counter of the release.

    Example:
        >>> group("truck-07", 12) == group("truck-07", 12)
        True
    """
    return _draw(f"group/{serial}/{release}") % PERCENT


def in_wave(serial: str, release: int, percent: int) -> bool:
    """Whether a device belongs to the first `percent` percent of a roll-out; those of a smaller wave stay in it."""
    return group(serial, release) < percent


def splay_s(serial: str, release: int, window_s: float) -> float:
    """Seconds, 0 to below `window_s`, that a device waits before it asks the server: the fleet comes spread out."""
    return _draw(f"splay/{serial}/{release}") / 2**64 * window_s


def _draw(text: str) -> int:
    """A number of 64 bits."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
