"""Who is logged in: in memory only, so that a restart logs everybody out."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

LIFETIME_S = 12 * 3600.0
MOST = 1000


class Sessions:
    """Sessions end after `LIFETIME_S`, whether used or not, and all of them with a new token.

    Args:
        clock: monotonic, seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._ends: OrderedDict[bytes, tuple[float, str]] = OrderedDict()  # by the hash, so that a dump opens nothing

    def begin(self, stamp: str) -> str:
        """Make a session; returns its secret.

        Args:
            stamp: of the token that opened it.
        """
        secret = secrets.token_urlsafe(32)
        with self._lock:
            while len(self._ends) >= MOST:
                self._ends.popitem(last=False)
            self._ends[_hash(secret)] = self._clock() + LIFETIME_S, stamp
        return secret

    def knows(self, secret: str, stamp: str) -> bool:
        """Whether it is the secret of a session that has not ended."""
        with self._lock:
            ends_s, opened_by = self._ends.get(_hash(secret), (float("-inf"), ""))
            return self._clock() < ends_s and opened_by == stamp

    def end(self, secret: str) -> None:
        """Log out."""
        with self._lock:
            self._ends.pop(_hash(secret), None)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
