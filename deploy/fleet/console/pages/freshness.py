"""How old what the pages show is; stands on every one of them."""

from __future__ import annotations

from deploy.fleet.console.pages.broker_link import BrokerLink
from deploy.fleet.registry.registry import Registry


class Freshness:
    """What the head of every page tells.

    Args:
        registry: what the devices have reported.
        link: the connection that fills it; None: the console shows what there is, without a broker.
    """

    def __init__(self, registry: Registry, link: BrokerLink | None) -> None:
        self._registry = registry
        self._link = link
        self._newest: tuple[tuple[int, int], float] | None = None

    @property
    def is_offline(self) -> bool:
        """Whether the console was started without a broker."""
        return self._link is None

    @property
    def down_since_s(self) -> float | None:
        """Since when the broker is not reached, UTC; None: it is, or there is none."""
        return None if self._link is None else self._link.down_since_s

    @property
    def newest_report_s(self) -> float:
        """When the newest report of any device came, UTC; 0: never."""
        stamp = self._registry.stamp()
        if self._newest is None or self._newest[0] != stamp:  # ten thousand devices are not gone through for nothing
            self._newest = stamp, max((device.seen_s for device in self._registry.devices()), default=0.0)
        return self._newest[1]
