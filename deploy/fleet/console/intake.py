"""The listeners that fill what the console shows from the broker."""

from __future__ import annotations

import hashlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.fleet.console.detections.listener import DetectionListener
from deploy.fleet.console.detections.store import DetectionStore
from deploy.fleet.registry.registry import Registry
from deploy.fleet.rollout.broker import BrokerAddress
from deploy.fleet.rollout.listener import Listener


@dataclass(frozen=True)
class Intake:
    """Both of them, while they listen.

    Attributes:
        reports: about devices, for the registry.
        detections: for the store of cracks.
    """

    reports: Listener
    detections: DetectionListener


@contextmanager
def listening(
    registry: Registry, store: DetectionStore, address: BrokerAddress | None, fleet: Path
) -> Iterator[Intake | None]:
    """Keep registry and store up to date from the broker; None: show what there is.

    Args:
        registry: to fill.
        store: to fill.
        address: of the broker.
        fleet: its folder, which names the session that the broker keeps.
    """
    if address is None:
        yield None
        return
    reports = Listener(registry, address)
    detections = DetectionListener(store, address, _client_id(fleet))
    reports.start()
    detections.start()
    try:
        yield Intake(reports, detections)
    finally:
        detections.close()
        reports.close()


def _client_id(fleet: Path) -> str:
    """The same at every start, so that the broker keeps what comes in between; another for another console."""
    return "console-" + hashlib.sha256(f"{socket.gethostname()}{fleet.resolve()}".encode()).hexdigest()[:16]
