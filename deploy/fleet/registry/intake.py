"""Storing what devices report: in any order, any number of times, with the same result."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from fissura.update_messages import Presence, UpdateEvent, UpdateState

MOST_EVENTS = 2000  # of a device; one that floods pushes out its own only
LARGEST = 2**63 - 1  # that SQLite's integers hold
# Devices begin to count at the milliseconds of their clock. A number far ahead would silence the device until then.
MOST_AHEAD_MS = 86_400_000

# A state is news if its sequence is higher. `reported_s` and `seen_s` are signs of life: what the broker had kept
# from before is none, but where it is news the device has lived since we last listened, nobody knows when.
_STATE = """
INSERT INTO devices (serial, channel, hardware, version, phase, model, release, reason, active, previous, quarantined,
    sequence, seen_s, reported_s)
VALUES (:serial, :channel, :hardware, :version, :phase, :model, :release, :reason, :active, :previous, :quarantined,
    :sequence, :now_s, :at_s)
ON CONFLICT (serial) DO UPDATE SET channel = excluded.channel, hardware = excluded.hardware,
    version = excluded.version, phase = excluded.phase, model = excluded.model, release = excluded.release,
    reason = excluded.reason, active = excluded.active, previous = excluded.previous,
    quarantined = excluded.quarantined, sequence = excluded.sequence,
    seen_s = MAX(seen_s, excluded.seen_s), reported_s = MAX(reported_s, excluded.reported_s)
WHERE excluded.sequence > devices.sequence
"""
_EVENT = """
INSERT INTO events (uuid, serial, sequence, phase, model, release, reason, channel, hardware, version, happened_s,
    stored_s, figures)
VALUES (:uuid, :serial, :sequence, :phase, :model, :release, :reason, :channel, :hardware, :version, :happened_s,
    :now_s, :figures)
ON CONFLICT (uuid) DO NOTHING
"""
_DROP = """
DELETE FROM events WHERE serial = :serial AND number <=
    (SELECT number FROM events WHERE serial = :serial ORDER BY number DESC LIMIT 1 OFFSET :most)
"""
_ONLINE = """
INSERT INTO devices (serial, online, seen_s) VALUES (:serial, :online, :now_s)
ON CONFLICT (serial) DO UPDATE SET online = excluded.online,
    seen_s = MAX(seen_s, CASE WHEN :retained AND online <> excluded.online THEN :now_s ELSE :at_s END)
"""


@dataclass(frozen=True)
class Heard:
    """A message of a device.

    Attributes:
        message: that was read.
        retained: whether the broker had kept it from before we subscribed.
    """

    message: UpdateState | UpdateEvent | Presence
    retained: bool = False


def fits(message: UpdateState | UpdateEvent | Presence, now_s: float) -> bool:
    """Whether its numbers can be; a device that sends others is broken, bad, or has a wrong clock.

    Args:
        message: of a device.
        now_s: UTC, by the operator's clock.
    """
    if isinstance(message, Presence):
        return True
    numbers = [message.release or 0]
    if isinstance(message, UpdateState):
        numbers += [message.active or 0, message.previous or 0]
    return message.sequence <= now_s * 1e3 + MOST_AHEAD_MS and all(-LARGEST <= one <= LARGEST for one in numbers)


def store(connection: sqlite3.Connection, batch: Iterable[Heard], now_s: float) -> None:
    """Store messages, within the caller's transaction."""
    states, events, presences = [], [], []
    for heard in batch:
        message = heard.message
        if isinstance(message, Presence):
            at_s = now_s if message.online and not heard.retained else 0.0
            presences.append(
                {
                    "serial": message.serial,
                    "online": message.online,
                    "now_s": now_s,
                    "at_s": at_s,
                    "retained": heard.retained,
                }
            )
            continue
        row: dict[str, object] = {
            "serial": message.serial,
            "channel": message.channel,
            "hardware": message.hardware,
            "version": message.version,
            "phase": message.phase,
            "model": message.model,
            "release": message.release,
            "reason": message.reason,
            "sequence": message.sequence,
        }
        if isinstance(message, UpdateState):
            row |= {
                "active": message.active,
                "previous": message.previous,
                "quarantined": json.dumps(message.quarantined),
                "now_s": now_s,
                "at_s": 0.0 if heard.retained else now_s,
            }
            states.append(row)
        else:
            row |= {
                "uuid": str(message.uuid),
                "happened_s": message.happened_utc.timestamp(),
                "now_s": now_s,
                "figures": json.dumps(message.figures),
            }
            events.append(row)
    connection.executemany(_STATE, states)
    connection.executemany(_EVENT, events)
    talkers = {str(row["serial"]) for row in events}
    connection.executemany(_DROP, [{"serial": serial, "most": MOST_EVENTS} for serial in talkers])
    connection.executemany(_ONLINE, presences)
