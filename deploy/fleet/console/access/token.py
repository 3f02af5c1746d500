"""The token that opens the console. It is random and long, so that its plain hash gives nothing away."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path

from deploy.fleet.authority.secret_file import write_secret
from fissura.errors import FleetError

TOKEN_BYTES = 32


def make_token(path: Path) -> str:
    """Make a new token, which replaces the one before; only its hash is stored.

    Args:
        path: of the hash.
    """
    token = secrets.token_urlsafe(TOKEN_BYTES)
    write_secret(path, _digest(token).encode() + b"\n")
    return token


class TokenCheck:
    """Compares what somebody types with the stored hash, which is read each time: a new token counts at once.

    Args:
        path: of the hash.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def stamp(self) -> str:
        """The stored hash: it changes with the token.

        Raises:
            FleetError: it cannot be read.
        """
        try:
            return self._path.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise FleetError(
                f"{self._path} cannot be read: {error}", fix="fissura fleet console --new-token"
            ) from error

    def matches(self, token: str) -> bool:
        """Whether it is the token; takes the same time for all that are not."""
        return hmac.compare_digest(_digest(token), self.stamp())


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
