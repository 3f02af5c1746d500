"""How long to wait before the next try."""

from __future__ import annotations

import random

FIRST_S = 0.5


class Backoff:
    """Exponential, with full jitter: a hundred vehicles do not knock at a camera server in step.

    Args:
        longest_s: cap of the growth.
    """

    def __init__(self, longest_s: float) -> None:
        self._longest_s = longest_s
        self._tries = 0

    def next_s(self) -> float:
        """Seconds to wait: anything from 0 to a bound that doubles with every try."""
        bound_s = min(self._longest_s, FIRST_S * 2 ** min(self._tries, 30))
        self._tries += 1
        return random.uniform(0, bound_s)

    def reset(self) -> None:
        """Start anew after a success."""
        self._tries = 0
