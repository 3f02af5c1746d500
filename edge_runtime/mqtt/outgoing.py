"""Which rows of the spool are on their way, and what becomes of them."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge_runtime.mqtt.events import Acknowledged
from edge_runtime.mqtt.packets import publish_bytes
from edge_runtime.mqtt.reasons import FAILURE, HOPELESS, QUOTA_EXCEEDED
from edge_runtime.ratelimit import RateLimitedLog
from edge_runtime.spool import Spool
from edge_runtime.spool_row import Priority, Row
from fissura.errors import SpoolError

logger = logging.getLogger(__name__)

WINDOW = 20
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 60.0
OTHERS_FIRST_S = 2.0  # of each connection, before one is risked for a message that broke the last
DELETED_TOGETHER = 64
DELETED_AFTER_S = 0.25


@dataclass
class _Pause:
    """A topic that the broker refuses: when it may be tried again, and how often it was refused in a row."""

    until_s: float
    refusals: int


def backoff_s(attempt: int, *, first_s: float, longest_s: float) -> float:
    """Delay before try `attempt` (from 0): doubled each time, and scattered, so that a fleet does not knock at once."""
    ceiling = min(longest_s, first_s * 2.0 ** min(attempt, 30))
    return ceiling * random.uniform(0.5, 1.0)


class Outgoing:
    """Meters the rows: at most 20 unacknowledged ones, and fewer where something is wrong. For one thread alone.

    A row leaves the spool only when the broker has acknowledged it: with the next rows that are put, or else some
    together, since that is a transaction of its own. What a crash leaves undeleted is sent once more. A refused row
    waits with all of its topic, longer each time, and is a dead letter in the end. Rows that were on their way when a
    connection broke are suspects, since some brokers answer a message that they cannot take by hanging up: they then go
    one by one, so that the culprit is the only one that each lost connection counts against. It waits, longer each
    time, while the others go on.

    Args:
        spool: where the rows are.
        delivered: told of the rows that the broker has: of each its uuid, and the monotonic clock then, nanoseconds.
    """

    def __init__(
        self, spool: Spool, delivered: Callable[[Sequence[tuple[str, int]]], None] = lambda messages: None
    ) -> None:
        self.acknowledged = 0
        self.acknowledged_detections = 0
        self.refused = 0
        self._spool = spool
        self._delivered = delivered
        self._in_flight: dict[int, Row] = {}
        self._suspects: set[int] = set()
        self._benched: dict[int, float] = {}  # culprits, and when each may be tried again
        self._paused: dict[str, _Pause] = {}
        self._window = WINDOW
        self._packet_limit_bytes: int | None = None
        self._log = RateLimitedLog(logger)

    def opened(self, receive_maximum: int | None, packet_limit_bytes: int | None) -> None:
        """A connection stands, with the broker's limits."""
        # One less than the broker allows: the status goes beside the rows.
        self._window = min(WINDOW, max(1, (receive_maximum or WINDOW + 1) - 1))
        self._packet_limit_bytes = packet_limit_bytes
        self._in_flight.clear()
        self._spool.rewind()
        earliest_s = time.monotonic() + OTHERS_FIRST_S
        self._benched = {id: max(until_s, earliest_s) for id, until_s in self._benched.items()}

    def ready(self, others: int = 0) -> list[Row]:
        """The rows to publish now.

        Args:
            others: messages that are on their way beside the rows.
        """
        now = time.monotonic()
        if due := {id for id, until_s in self._benched.items() if until_s <= now}:
            for id in due:
                del self._benched[id]
            self._suspects |= due
            self._spool.rewind()
        if self._suspects:  # those that the spool has dropped since would keep the window at 1 for ever
            self._suspects = self._spool.waiting(self._suspects)
        room = self.room(others)
        if self._suspects:
            room = min(room, 1 - len(self._in_flight))
        if room <= 0:
            return []
        paused = [topic for topic, pause in self._paused.items() if pause.until_s > now]
        on_their_way = {row.id for row in self._in_flight.values()} | self._benched.keys()
        while rows := self._spool.advance(room, on_their_way=on_their_way, skip_topics=paused):
            if self._packet_limit_bytes is None:
                return rows
            if fitting := [row for row in rows if self._fits(row, self._packet_limit_bytes)]:
                return fitting
        return []

    def room(self, others: int) -> int:
        """How many more messages the broker takes at the moment, with so many on their way beside the rows."""
        return self._window - len(self._in_flight) - others

    def sent(self, mid: int, row: Row) -> None:
        """A row was handed to the connection."""
        self._in_flight[mid] = row

    def settle(self, answers: Sequence[Acknowledged]) -> None:
        """Take the broker's answers."""
        delivered: list[tuple[Row, int]] = []
        try:
            for answer in answers:
                row = self._in_flight.pop(answer.mid, None)
                if row is None:
                    continue
                self._suspects.discard(row.id)
                if answer.code >= FAILURE:
                    self._refuse(row, answer)
                else:
                    self._paused.pop(row.message.topic, None)
                    delivered.append((row, answer.at_ns))
        finally:  # also where a refusal cannot be noted: what the broker has is not sent again
            if delivered:
                self.acknowledged += len(delivered)
                self.acknowledged_detections += sum(row.message.priority is Priority.DETECTION for row, _ in delivered)
                self._spool.acknowledged([row.id for row, _ in delivered])
                self._delivered([(row.message.uuid, at_ns) for row, at_ns in delivered])
        waiting = len(self._spool.delivered)
        if waiting >= DELETED_TOGETHER or (waiting and self._deletion_due_s() <= 0):
            self.tidy()

    def tidy(self) -> None:
        """Delete what the broker has. On a full disk that has to wait: the rows are not sent again meanwhile."""
        try:
            self._spool.tidy()
        except SpoolError as error:
            self._spool.delivered.put_off()
            self._log.warning("delete", f"delivered messages cannot be deleted for now: {error.found}")

    def lost(self, others: int = 0) -> None:
        """The connection broke; what was on its way will be sent again.

        Args:
            others: messages that were on their way beside the rows, and may be to blame as well.
        """
        rows = list(self._in_flight.values())
        self._in_flight.clear()
        self._spool.rewind()
        if len(rows) == 1 and rows[0].id in self._suspects and not others:
            culprit = rows[0]
            self._suspects.discard(culprit.id)
            if not self._charge(culprit, "the connection breaks whenever it is sent"):
                wait_s = backoff_s(culprit.attempts, first_s=FIRST_WAIT_S, longest_s=LONGEST_WAIT_S)
                self._benched[culprit.id] = time.monotonic() + wait_s
        else:
            self._suspects.update(row.id for row in rows)

    def reject(self, row: Row, reason: str) -> None:
        """This row can never be sent."""
        self._charge(row, reason, for_good=True)

    @property
    def in_flight(self) -> int:
        """Rows on their way."""
        return len(self._in_flight)

    def next_due_s(self) -> float | None:
        """Seconds until a refused topic may be tried again, or rows are to be deleted; None when neither waits."""
        now = time.monotonic()
        waits = [pause.until_s - now for pause in self._paused.values() if pause.until_s > now]
        waits += [max(0.0, until_s - now) for until_s in self._benched.values()]
        if len(self._spool.delivered):
            waits.append(self._deletion_due_s())
        return min(waits) if waits else None

    def _deletion_due_s(self) -> float:
        return max(0.0, DELETED_AFTER_S - self._spool.delivered.waiting_s())

    def _fits(self, row: Row, limit_bytes: int) -> bool:
        size = publish_bytes(row.message.topic, row.message.payload)
        if size <= limit_bytes:
            return True
        self.reject(row, f"{size} bytes, but the broker takes {limit_bytes} at most")
        return False

    def _refuse(self, row: Row, answer: Acknowledged) -> None:
        if answer.code in HOPELESS:
            self._charge(row, answer.reason, for_good=True)
            return
        self._spool.rewind()
        topic = row.message.topic
        pause = self._paused.get(topic)
        now = time.monotonic()
        if pause is None or pause.until_s <= now:  # the answers of one window count once
            refusals = 0 if pause is None else pause.refusals + 1
            self._paused[topic] = _Pause(
                now + backoff_s(refusals, first_s=FIRST_WAIT_S, longest_s=LONGEST_WAIT_S), refusals
            )
        if answer.code == QUOTA_EXCEEDED:
            self._log.warning(f"quota {topic}", f"the broker takes no more on {topic} for now: {answer.reason}")
        else:
            self._charge(row, answer.reason)

    def _charge(self, row: Row, reason: str, *, for_good: bool = False) -> bool:
        """Count a failure against a row; whether it is a dead letter now."""
        self.refused += 1
        dead = self._spool.refuse(row, for_good=for_good)
        if dead:
            self._suspects.discard(row.id)
        fate = "it is a dead letter now: kept, no longer sent" if dead else "it will be tried again"
        self._log.warning(
            f"refused {row.message.topic} {dead}",
            f"message {row.message.uuid} on {row.message.topic} was not taken: {reason}; {fate}",
        )
        return dead
