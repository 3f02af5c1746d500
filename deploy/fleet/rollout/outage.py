"""Says once that the broker is away, and once that it is back."""

from __future__ import annotations

import logging

from deploy.fleet.rollout.broker import BrokerAddress

logger = logging.getLogger(__name__)


class Outage:
    """Whether the broker is away; however often a connection fails, one line tells it.

    Args:
        address: of the broker.
    """

    def __init__(self, address: BrokerAddress) -> None:
        self._address = address
        self._down = False

    def begins(self, why: object) -> None:
        """The broker does not let us listen; `why` says how we know."""
        if not self._down:
            self._down = True
            logger.warning(
                "the broker %s cannot be reached: %s; devices may still install, what they report comes later",
                self._address,
                why,
            )

    def ends(self) -> None:
        """We listen."""
        if self._down:
            self._down = False
            logger.warning("the broker %s is back: what devices have to report comes in", self._address)
