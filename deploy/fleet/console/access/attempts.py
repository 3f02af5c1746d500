"""A limit on guessing the token, for each address."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

TRIES = 5
REFILL_S = 20.0  # for one more try
MOST = 10_000  # addresses that are remembered


class Attempts:
    """Five tries, then one every twenty seconds.

    Args:
        clock: monotonic, seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str) -> bool:
        """Spend a try of an address; whether there was one."""
        place, now_s = network(address), self._clock()
        with self._lock:
            spent, at_s = self._spent.pop(place, (0.0, now_s))
            spent = max(0.0, spent - (now_s - at_s) / REFILL_S)
            allowed = spent <= TRIES - 1
            self._spent[place] = (spent + 1 if allowed else spent), now_s
            while len(self._spent) > MOST:
                self._spent.popitem(last=False)
        return allowed

    def forgive(self, address: str) -> None:
        """Forget the tries of an address that had the token."""
        with self._lock:
            self._spent.pop(network(address), None)


def network(address: str) -> str:
    """What counts as one address: an IPv6 client has 2^64 of them."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address
