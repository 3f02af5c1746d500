"""The audit: append-only, each line's hash covers the line before, so that nobody takes one out unseen.

Who can write the file can write a whole new chain: keep the newest hash elsewhere now and then (`fissura fleet status`
shows it), and a chain that no longer leads to it is a forgery.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import sqlite3
import time
from functools import cache
from platform import node

from deploy.fleet.registry.rows import AuditEntry
from fissura.errors import FleetError

BEGINNING = "0" * 64


def append(connection: sqlite3.Connection, action: str, details: dict[str, object]) -> AuditEntry:
    """Add a line, within the caller's transaction: what is done and what is said of it are one."""
    last = connection.execute("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1").fetchone()
    number, before = (last[0] + 1, last[1]) if last else (1, BEGINNING)
    at_s, actor = time.time(), _actor()
    entry = AuditEntry(number, at_s, actor, action, details, chained(before, number, at_s, actor, action, details))
    connection.execute(
        "INSERT INTO audit (number, at_s, actor, action, details, hash) VALUES (?, ?, ?, ?, ?, ?)",
        (number, at_s, actor, action, canonical(details), entry.hash),
    )
    return entry


def read(connection: sqlite3.Connection, limit: int | None = None) -> list[AuditEntry]:
    """The newest lines, oldest of them first."""
    rows = connection.execute(
        "SELECT number, at_s, actor, action, details, hash FROM audit ORDER BY number DESC LIMIT ?",
        (-1 if limit is None else limit,),
    ).fetchall()
    return [
        AuditEntry(number, at_s, actor, action, json.loads(details), digest)
        for number, at_s, actor, action, details, digest in reversed(rows)
    ]


def verify(entries: list[AuditEntry]) -> str:
    """Follow the chain from its beginning.

    Returns:
        The newest hash.

    Raises:
        FleetError: a line was changed, or is missing.
    """
    before = BEGINNING
    for position, entry in enumerate(entries, start=1):
        expected = chained(before, entry.number, entry.at_s, entry.actor, entry.action, entry.details)
        if entry.number != position or entry.hash != expected:
            raise FleetError(
                f"the audit is not what was written: line {position} does not follow from the one before",
                fix="somebody has edited the registry; compare with a backup",
            )
        before = entry.hash
    return before


def chained(before: str, number: int, at_s: float, actor: str, action: str, details: dict[str, object]) -> str:
    """Hash of a line."""
    line = canonical({"number": number, "at_s": at_s, "actor": actor, "action": action, "details": details})
    return hashlib.sha256(f"{before}{line}".encode()).hexdigest()


def canonical(value: object) -> str:
    """JSON in the one form that is hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


@cache
def _actor() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = "?"
    return f"{user}@{node()}"
