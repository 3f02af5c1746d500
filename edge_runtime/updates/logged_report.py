"""A device without an operator at a broker: what happens stands in the log."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime

from edge_runtime.updates.ports import Standing

logger = logging.getLogger(__name__)


class LoggedReport:
    """See `Report` in `edge_runtime.updates.ports`."""

    def state(self, standing: Standing, sequence: int) -> None:
        """Nobody asks."""

    def event(self, standing: Standing, sequence: int, happened_utc: datetime, figures: Mapping[str, float]) -> None:
        logger.info(
            "release %s: %s%s", standing.release, standing.phase, f", {standing.reason}" if standing.reason else ""
        )
