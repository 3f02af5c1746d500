"""Which rows of the spool are on their way, and what becomes of them."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from edge_runtime.mqtt.connection import Acknowledged
from edge_runtime.mqtt.reasons import FAILURE, QUOTA_EXCEEDED
from edge_runtime.ratelimit import RateLimitedLog
from edge_runtime.spool import Priority, Row, Spool

logger = logging.getLogger(__name__)

WINDOW = 20
PACKET_OVERHEAD_BYTES = 128  # of a PUBLISH beside topic and payload: header, packet identifier, uuid property


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
    """Meters the rows: at most 20 unacknowledged ones, and fewer where something is wrong.

    A row leaves the spool only when the broker has acknowledged it. A refused row waits with all of its topic, longer
    each time, and is a dead letter in the end. Rows that were on their way when a connection broke are suspects, since
    some brokers answer a message that they cannot take by hanging up: they then go one by one, so that the culprit is
    the only one that each lost connection counts against.
    """

    def __init__(self, spool: Spool) -> None:
        self.acknowledged = 0
        self.acknowledged_detections = 0
        self.refused = 0
        self._spool = spool
        self._in_flight: dict[int, Row] = {}
        self._suspects: set[int] = set()
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

    def ready(self) -> list[Row]:
        """The rows to publish now."""
        if self._suspects:  # those that the spool has dropped since would keep the window at 1 for ever
            self._suspects = self._spool.waiting(self._suspects)
        room = (1 if self._suspects else self._window) - len(self._in_flight)
        if room <= 0:
            return []
        now = time.monotonic()
        paused = [topic for topic, pause in self._paused.items() if pause.until_s > now]
        on_their_way = [row.id for row in self._in_flight.values()]
        while rows := self._spool.take(room, skip_ids=on_their_way, skip_topics=paused):
            if fitting := [row for row in rows if self._fits(row)]:
                return fitting
        return []

    def sent(self, mid: int, row: Row) -> None:
        """A row was handed to the connection."""
        self._in_flight[mid] = row

    def settle(self, answers: Sequence[Acknowledged]) -> None:
        """Take the broker's answers."""
        done: list[Row] = []
        for answer in answers:
            row = self._in_flight.pop(answer.mid, None)
            if row is None:  # a status, which is not in the spool
                if answer.code >= FAILURE:
                    self._log.warning("status", f"the broker does not take our status: {answer.reason}")
                continue
            self._suspects.discard(row.id)
            if answer.code < FAILURE:
                done.append(row)
                self._paused.pop(row.message.topic, None)
            else:
                self._refuse(row, answer)
        if done:
            self._spool.delete([row.id for row in done])
            self.acknowledged += len(done)
            self.acknowledged_detections += sum(row.message.priority is Priority.DETECTION for row in done)

    def lost(self) -> None:
        """The connection broke; what was on its way will be sent again."""
        rows = list(self._in_flight.values())
        self._in_flight.clear()
        if len(rows) == 1 and rows[0].id in self._suspects:
            self._charge(rows[0], "the connection breaks whenever it is sent")
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
        """Seconds until a refused topic may be tried again; None when none waits."""
        now = time.monotonic()
        waits = [pause.until_s - now for pause in self._paused.values() if pause.until_s > now]
        return min(waits) if waits else None

    def _fits(self, row: Row) -> bool:
        size = len(row.message.payload) + len(row.message.topic) + PACKET_OVERHEAD_BYTES
        if self._packet_limit_bytes is None or size <= self._packet_limit_bytes:
            return True
        self.reject(row, f"{size} bytes, but the broker takes {self._packet_limit_bytes} at most")
        return False

    def _refuse(self, row: Row, answer: Acknowledged) -> None:
        topic = row.message.topic
        pause = self._paused.get(topic)
        now = time.monotonic()
        if pause is None or pause.until_s <= now:  # the answers of one window count once
            refusals = 0 if pause is None else pause.refusals + 1
            self._paused[topic] = _Pause(now + backoff_s(refusals, first_s=0.5, longest_s=60.0), refusals)
        if answer.code == QUOTA_EXCEEDED:
            self._log.warning(f"quota {topic}", f"the broker takes no more on {topic} for now: {answer.reason}")
        else:
            self._charge(row, answer.reason)

    def _charge(self, row: Row, reason: str, *, for_good: bool = False) -> None:
        self.refused += 1
        dead = self._spool.refuse(row, for_good=for_good)
        if dead:
            self._suspects.discard(row.id)
        fate = "it is a dead letter now: kept, no longer sent" if dead else "it will be tried again"
        self._log.warning(
            f"refused {row.message.topic} {dead}",
            f"message {row.message.uuid} on {row.message.topic} was not taken: {reason}; {fate}",
        )
