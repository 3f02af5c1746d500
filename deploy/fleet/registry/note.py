"""What the operator does by hand, for the audit."""

from __future__ import annotations

import sys

from deploy.fleet.home import FleetHome
from deploy.fleet.registry.registry import Registry
from fissura.errors import FleetError


def note(home: FleetHome, action: str, **details: object) -> None:
    """Add a line to the audit of a fleet. What is done stays done: where that fails, stderr says so.

    Args:
        home: the fleet.
        action: the command.
        details: what it did; no secrets.
    """
    try:
        with Registry(home.registry) as registry:
            registry.note(action, details)
    except FleetError as error:
        print(f"fissura fleet {action}: done, but not in the audit: {error}", file=sys.stderr)
