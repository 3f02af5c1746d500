"""Whether the broker is away: said once when it goes and once when it is back, and known in between."""

from __future__ import annotations

import logging
import time

from deploy.fleet.rollout.broker import BrokerAddress

logger = logging.getLogger(__name__)


class Outage:
    """Whether the broker is away; however often a connection fails, one line tells it.

    Args:
        address: of the broker.

    Attributes:
        down_since_s: since when we do not listen, UTC; None: we do.
    """

    def __init__(self, address: BrokerAddress) -> None:
        self._address = address
        self._told = False
        self.down_since_s: float | None = time.time()

    def begins(self, why: object) -> None:
        """The broker does not let us listen; `why` says how we know."""
        self.down_since_s = self.down_since_s or time.time()
        if not self._told:
            self._told = True
            logger.warning(
                "the broker %s cannot be reached: %s; devices may still install, what they report comes later",
                self._address,
                why,
            )

    def ends(self) -> None:
        """We listen."""
        self.down_since_s = None
        if self._told:
            self._told = False
            logger.warning("the broker %s is back: what devices have to report comes in", self._address)
