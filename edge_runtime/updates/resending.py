"""Which events go to the broker now: each once a connection, then again and again, until the operator has it."""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from edge_runtime.mqtt.outgoing import backoff_s
from edge_runtime.updates.outbox import Waiting

FIRST_S = 20.0
LONGEST_S = 900.0


@dataclass
class _Turn:
    """When an event is due, and how often it went out."""

    waiting: Waiting
    due_s: float
    sent: int = 0


class Resending:
    """For one thread."""

    def __init__(self) -> None:
        self._turns: dict[UUID, _Turn] = {}
        self._hurried_s = float("-inf")

    def keep(self, waiting: Iterable[Waiting]) -> None:
        """What is in the outbox now; new ones are due at once."""
        now = time.monotonic()
        self._turns = {one.uuid: self._turns.get(one.uuid) or _Turn(one, now) for one in waiting}

    def hurry(self, within_s: float = 0.0) -> None:
        """All are due within so many seconds: the connection is new, or the operator is there again.

        Not oftener than they would be anyway at first: whoever can make a device hurry cannot make it flood.
        """
        now = time.monotonic()
        if within_s and now - self._hurried_s < FIRST_S:
            return
        self._hurried_s = now
        for turn in self._turns.values():
            turn.due_s, turn.sent = min(turn.due_s, now + random.uniform(0, within_s)), 0

    def hold(self, uuids: Collection[UUID]) -> set[UUID]:
        """Those that are ours and have not been acknowledged before; they are not sent again."""
        return {uuid for uuid in uuids if self._turns.pop(uuid, None) is not None}

    def take(self, most: int) -> list[Waiting]:
        """Those that are due, oldest first; each is due again after a while."""
        now = time.monotonic()
        due = [turn for turn in self._turns.values() if turn.due_s <= now][: max(0, most)]
        for turn in due:
            turn.due_s = now + backoff_s(turn.sent, first_s=FIRST_S, longest_s=LONGEST_S)
            turn.sent += 1
        return [turn.waiting for turn in due]

    def next_due_s(self) -> float:
        """Seconds until one is due; infinite: none waits."""
        return min((turn.due_s for turn in self._turns.values()), default=float("inf")) - time.monotonic()
