"""How old what the pages show is; stands on every one of them."""

from __future__ import annotations

from deploy.fleet.registry.registry import Registry
from deploy.fleet.rollout.outage import Outage


class Freshness:
    """What the head of every page tells.

    Args:
        registry: what the devices have reported.
        outage: of the broker that fills it; None: the console shows what there is, without a broker.
    """

    def __init__(self, registry: Registry, outage: Outage | None) -> None:
        self._registry = registry
        self._outage = outage

    @property
    def is_offline(self) -> bool:
        """Whether the console was started without a broker."""
        return self._outage is None

    @property
    def down_since_s(self) -> float | None:
        """Since when the broker is not reached, UTC; None: it is, or there is none."""
        return None if self._outage is None else self._outage.down_since_s

    @property
    def newest_report_s(self) -> float:
        """When the newest report of any device came, UTC; 0: never."""
        return self._registry.newest_seen_s()
