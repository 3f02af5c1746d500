"""A message of the spool."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

ROW_OVERHEAD_BYTES = 200  # of SQLite and of the columns beside topic and payload, generously


class Priority(IntEnum):
    """What goes first: to the broker, and overboard."""

    TELEMETRY = 0
    DETECTION = 1


class Message(NamedTuple):
    """What is to be sent."""

    uuid: str
    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    priority: Priority = Priority.DETECTION

    @property
    def size_bytes(self) -> int:
        """What it counts against the bound."""
        return len(self.payload) + len(self.topic) + ROW_OVERHEAD_BYTES


class Row(NamedTuple):
    """A message in the spool, and how often the broker has refused it."""

    id: int
    message: Message
    attempts: int
