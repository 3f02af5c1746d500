"""Forgetting a device: one that is scrapped, or that has said what it should not."""

from __future__ import annotations

from deploy.fleet.registry import audit
from deploy.fleet.registry.registry import Registry
from fissura.errors import FleetError


def forget(registry: Registry, serial: str) -> None:
    """Remove a device and its events. If it speaks again, it is as new.

    Raises:
        FleetError: it is not there.
    """
    with registry.writing() as connection:
        if not connection.execute("DELETE FROM devices WHERE serial = ?", (serial,)).rowcount:
            raise FleetError(f"there is no device {serial!r}", fix="fissura fleet status --json, or the console")
        connection.execute("DELETE FROM events WHERE serial = ?", (serial,))
        audit.append(connection, "forget", {"serial": serial})
