"""How old what the pages show is; stands on every one of them."""

from __future__ import annotations

from deploy.fleet.console.intake import Intake
from deploy.fleet.registry.registry import Registry


class Freshness:
    """What the head of every page tells.

    Args:
        registry: what the devices have reported.
        intake: what fills it and the store of cracks; None: the console shows what there is, without a broker.
    """

    def __init__(self, registry: Registry, intake: Intake | None) -> None:
        self._registry = registry
        self._intake = intake

    @property
    def is_offline(self) -> bool:
        """Whether the console was started without a broker."""
        return self._intake is None

    @property
    def down_since_s(self) -> float | None:
        """Since when the broker is not reached, UTC; None: it is, or there is none."""
        return None if self._intake is None else self._intake.reports.outage.down_since_s

    @property
    def unstored_since_s(self) -> float | None:
        """Since when cracks that come in cannot be stored, UTC; None: they can."""
        return None if self._intake is None else self._intake.detections.unstored_since_s

    @property
    def newest_report_s(self) -> float:
        """When the newest report of any device came, UTC; 0: never."""
        return self._registry.newest_seen_s()
