"""What goes to the broker beside the spool: answers to commands, snapshots, what Home Assistant has to know.

Worth nothing when it comes late, so it is kept in memory only; but it goes before the rows of the spool, so that a
backlog of those does not hold it up.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field

from edge_runtime.mqtt.events import Acknowledged
from edge_runtime.mqtt.reasons import FAILURE
from edge_runtime.ratelimit import RateLimitedLog

logger = logging.getLogger(__name__)

MOST_WAITING = 64
LASTS_S = 30.0


@dataclass(frozen=True)
class Notice:
    """One of them.

    Attributes:
        topic: where to.
        payload: what.
        uuid: in the message's properties.
        retain: whether the broker keeps it.
        correlation: of the command that it answers (MQTT 5).
        made_s: the monotonic clock when it was made, seconds.
    """

    topic: str
    payload: bytes
    uuid: str
    retain: bool = False
    correlation: bytes | None = None
    made_s: float = field(default_factory=time.monotonic)


class Notices:
    """Those that wait and those on their way. `put` is for any thread, the rest for the sender's.

    Attributes:
        dropped: how many were too many, or too old.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._lock = threading.Lock()
        self._waiting: deque[Notice] = deque()
        self._in_flight: dict[int, Notice] = {}
        self._log = RateLimitedLog(logger)

    def put(self, *notices: Notice) -> bool:
        """Take some, or none of them if that would be too many; whether it did."""
        with self._lock:
            if len(self._waiting) + len(notices) > MOST_WAITING:
                self.dropped += len(notices)
                full = True
            else:
                self._waiting.extend(notices)
                full = False
        if full:
            self._log.warning("full", f"an answer on {notices[-1].topic} is dropped: {MOST_WAITING} wait already")
        return not full

    def next(self) -> Notice | None:
        """The next to be sent; None: there is none."""
        with self._lock:
            while self._waiting:
                notice = self._waiting.popleft()
                if time.monotonic() - notice.made_s < LASTS_S:
                    return notice
                self.dropped += 1
        return None

    def sent(self, mid: int, notice: Notice) -> None:
        """One was handed to the connection."""
        self._in_flight[mid] = notice

    @property
    def in_flight(self) -> int:
        """How many are on their way."""
        return len(self._in_flight)

    def settle(self, answers: list[Acknowledged]) -> None:
        """Take the broker's answers."""
        for answer in answers:
            notice = self._in_flight.pop(answer.mid, None)
            if notice is not None and answer.code >= FAILURE:
                self._log.warning(
                    f"refused {notice.topic}", f"the broker takes no message on {notice.topic}: {answer.reason}"
                )

    def lost(self) -> None:
        """The connection broke; what was on its way goes first on the next one."""
        with self._lock:
            self._waiting.extendleft(reversed(self._in_flight.values()))
            self._in_flight.clear()
