"""The registry: one SQLite file that several processes read and write at the same time.

What devices said can be lost without harm: the broker keeps their states, and the devices themselves keep what was not
acknowledged. Roll-outs go on from the signed channel.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from deploy.fleet.registry import audit, intake
from deploy.fleet.registry.database import open_database, translated
from deploy.fleet.registry.intake import Heard
from deploy.fleet.registry.rows import AuditEntry, Device, Event, Rollout, Wave
from fissura.transaction import transaction
from fissura.update_messages import Phase

_DEVICE = (
    "serial, channel, hardware, version, phase, model, release, reason, active, previous, quarantined, sequence, "
    "online, seen_s, reported_s"
)
_EVENT = (
    "uuid, serial, sequence, phase, model, release, reason, channel, hardware, version, happened_s, stored_s, figures"
)
_ROLLOUT = (
    "id, model, release, channel, fallback, percents, state, wave, reason, intent, intent_reason, accepted, since_s, "
    "signed, created_s, updated_s"
)
_ENDS = """
SELECT serial, phase, reason, MAX(sequence) FROM events
WHERE release = ? AND model = ? AND phase IN ('committed', 'rejected', 'rolled_back', 'quarantined')
GROUP BY serial
"""


class Registry:
    """Safe to use from several threads and processes.

    Args:
        path: of the file; made if it is not there.

    Raises:
        FleetError: it is no registry, of a newer fissura, or damaged. So from every method.

    Example:
        >>> with Registry(home.registry) as registry:  # doctest: +SKIP
        ...     [device.serial for device in registry.devices() if device.phase == "rolled_back"]
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._connection = open_database(path)

    def __enter__(self) -> Registry:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def devices(self, channel: str | None = None) -> list[Device]:
        """All devices, or those of a channel, by serial."""
        where, values = ("WHERE channel = ?", (channel,)) if channel is not None else ("", ())
        return [_device(row) for row in self._rows(f"SELECT {_DEVICE} FROM devices {where} ORDER BY serial", *values)]

    def device(self, serial: str) -> Device | None:
        """One device; None: never heard of."""
        rows = self._rows(f"SELECT {_DEVICE} FROM devices WHERE serial = ?", serial)
        return _device(rows[0]) if rows else None

    def newest_seen_s(self) -> float:
        """When any device was last heard, UTC; 0: never."""
        ((seen_s,),) = self._rows("SELECT COALESCE(MAX(seen_s), 0) FROM devices")
        return float(seen_s)

    def events(self, serial: str | None = None, limit: int = 100) -> list[Event]:
        """The events that were stored last, newest first, of all devices or of one."""
        where, values = ("WHERE serial = ?", (serial,)) if serial is not None else ("", ())
        rows = self._rows(f"SELECT {_EVENT} FROM events {where} ORDER BY number DESC LIMIT ?", *values, limit)
        return [_event(row) for row in rows]

    def ends(self, model: str, release: int) -> dict[str, tuple[Phase, str | None]]:
        """How each device's last installation of a release ended, by serial: phase and reason."""
        return {serial: (phase, reason) for serial, phase, reason, _ in self._rows(_ENDS, release, model)}

    def rollouts(self) -> list[Rollout]:
        """All roll-outs, newest first."""
        return [_rollout(row) for row in self._rows(f"SELECT {_ROLLOUT} FROM rollouts ORDER BY id DESC")]

    def rollout(self, number: int) -> Rollout | None:
        """One roll-out by its id."""
        rows = self._rows(f"SELECT {_ROLLOUT} FROM rollouts WHERE id = ?", number)
        return _rollout(rows[0]) if rows else None

    def waves(self, rollout: int) -> list[Wave]:
        """The waves of a roll-out that have begun, in order."""
        rows = self._rows(
            "SELECT rollout, number, percent, started_s, ended_s, counts FROM waves WHERE rollout = ? ORDER BY number",
            rollout,
        )
        return [_wave(row) for row in rows]

    def audit(self, limit: int | None = None) -> list[AuditEntry]:
        """The newest lines of the audit, oldest of them first."""
        with self._lock, translated(self.path):
            return audit.read(self._connection, limit)

    def verify_audit(self) -> str:
        """Check the whole audit; returns its newest hash.

        Raises:
            FleetError: a line was changed or taken out.
        """
        return audit.verify(self.audit())

    def note(self, action: str, details: dict[str, object]) -> None:
        """Add a line to the audit, of what was done outside of a roll-out."""
        with self.writing() as connection:
            audit.append(connection, action, details)

    def store(self, batch: Iterable[Heard], now_s: float | None = None) -> None:
        """Store what devices said, durably and all at once; what is known already changes nothing."""
        with self.writing() as connection:
            intake.store(connection, batch, time.time() if now_s is None else now_s)

    def stamp(self) -> tuple[int, int]:
        """Changes whenever another process (first number) or this one (second) has written."""
        with self._lock, translated(self.path):
            (version,) = self._connection.execute("PRAGMA data_version").fetchone()
            return version, self._connection.total_changes

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction of its own: all that is written in the `with` statement, or nothing."""
        with self._lock, translated(self.path), transaction(self._connection) as connection:
            yield connection

    def _rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock, translated(self.path):
            return self._connection.execute(query, values).fetchall()


def _device(row: tuple[Any, ...]) -> Device:
    values = list(row)
    values[10] = tuple(json.loads(row[10]))
    values[12] = bool(row[12])
    return Device(*values)


def _event(row: tuple[Any, ...]) -> Event:
    values = list(row)
    values[12] = json.loads(row[12])
    return Event(*values)


def _wave(row: tuple[Any, ...]) -> Wave:
    values = list(row)
    values[5] = json.loads(row[5])
    return Wave(*values)


def _rollout(row: tuple[Any, ...]) -> Rollout:
    values = list(row)
    values[5], values[11] = tuple(json.loads(row[5])), tuple(json.loads(row[11]))
    return Rollout(*values)
