"""What the console is told at its start."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from fissura.errors import UsageError


@dataclass(frozen=True)
class ConsoleOptions:
    """Shown and used by the pages.

    Attributes:
        fleet: name of the fleet.
        tiles: address of map tiles with {z}, {x} and {y}; None: none, as a network of devices has no internet.
        secure: whether the page is given out over TLS.
    """

    fleet: str
    tiles: str | None
    secure: bool


def check_tiles(tiles: str) -> str:
    """Whether it can be an address of map tiles.

    Raises:
        UsageError: it cannot.
    """
    parts = urlsplit(tiles)
    plain = set(parts.netloc) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:")
    missing = [word for word in ("{z}", "{x}", "{y}") if word not in tiles]
    if parts.scheme not in ("http", "https") or not parts.netloc or not plain or missing:
        raise UsageError(f"--tiles {tiles!r} is not understood", expected="https://HOST/{z}/{x}/{y}.png")
    return tiles
