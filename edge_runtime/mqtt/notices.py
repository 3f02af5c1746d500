"""What goes to the broker beside the spool: answers to commands, snapshots, what Home Assistant has to know.

Worth nothing when it comes late, so it is kept in memory only; but it goes before the rows of the spool, so that a
backlog of those does not hold it up.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace

from edge_runtime.mqtt.events import Acknowledged
from edge_runtime.mqtt.packets import publish_bytes
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
        after: uuid of the one that has to be settled first.
        otherwise: what to say in place of the payload, if the broker did not take that one.
        suspect: whether a connection broke while it was on its way.
        made_s: the monotonic clock when it was made, seconds.
    """

    topic: str
    payload: bytes
    uuid: str
    retain: bool = False
    correlation: bytes | None = None
    after: str | None = None
    otherwise: bytes = b""
    suspect: bool = False
    made_s: float = field(default_factory=time.monotonic)

    @property
    def size_bytes(self) -> int:
        """Of its packet, rounded up."""
        return publish_bytes(self.topic, self.payload, self.correlation)


class Notices:
    """Those that wait and those on their way. `put` is for any thread, the rest for the sender's.

    Some brokers answer a message that they cannot take by hanging up, and those of MQTT 3.1.1 do not say what they
    take. So what was on its way when a connection broke is a suspect: it goes alone on the next one, and is dropped if
    that breaks as well.

    Attributes:
        dropped: how many the broker does not have: too many, too old, too large, refused, or fatal to connections.
        packet_limit_bytes: largest packet that the broker takes; None: it does not say.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self.packet_limit_bytes: int | None = None
        self._lock = threading.Lock()
        self._waiting: deque[Notice] = deque()
        self._in_flight: dict[int, Notice] = {}
        self._not_taken: deque[str] = deque(maxlen=MOST_WAITING)  # uuids, for those that come after
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
        """The next to be sent; None: there is none, or it has to wait for what is on its way."""
        while (notice := self._pop()) is not None:
            if time.monotonic() - notice.made_s >= LASTS_S:
                self._drop(notice)
                continue
            if notice.after in self._not_taken:
                notice = replace(notice, payload=notice.otherwise, after=None)
            if self.packet_limit_bytes is None or notice.size_bytes <= self.packet_limit_bytes:
                return notice
            self._drop(notice)
            self._log.warning(
                "size",
                f"a message on {notice.topic} is dropped: {notice.size_bytes} bytes, but the broker takes "
                f"{self.packet_limit_bytes} at most",
            )
        return None

    def sent(self, mid: int, notice: Notice) -> None:
        """One was handed to the connection."""
        self._in_flight[mid] = notice

    @property
    def in_flight(self) -> int:
        """How many are on their way."""
        return len(self._in_flight)

    @property
    def risking(self) -> bool:
        """Whether a suspect is on its way, beside which nothing should be sent."""
        return any(notice.suspect for notice in self._in_flight.values())

    def settle(self, answers: list[Acknowledged]) -> None:
        """Take the broker's answers."""
        for answer in answers:
            notice = self._in_flight.pop(answer.mid, None)
            if notice is not None and answer.code >= FAILURE:
                self._drop(notice)
                # Not by topic: operators choose those.
                self._log.warning(
                    f"refused {answer.code}", f"the broker takes no message on {notice.topic}: {answer.reason}"
                )

    def lost(self, *, suspicious: bool = False) -> bool:
        """The connection broke; what was on its way goes first on the next one.

        Args:
            suspicious: what was on its way may be the reason.

        Returns:
            Whether a suspect is the reason. It is dropped.
        """
        notices = list(self._in_flight.values())
        culprits = [notice for notice in notices if suspicious and notice.suspect]
        with self._lock:
            self._in_flight.clear()
            self._waiting.extendleft(
                replace(notice, suspect=notice.suspect or suspicious)
                for notice in reversed(notices)
                if notice not in culprits
            )
        for notice in culprits:
            self._drop(notice)
            self._log.warning(
                "breaks",
                f"a message of {len(notice.payload)} bytes on {notice.topic} is dropped: the connection breaks "
                "whenever it is sent",
            )
        return bool(culprits)

    def _pop(self) -> Notice | None:
        with self._lock:
            if not self._waiting or self.risking:
                return None
            first = self._waiting[0]
            if first.suspect and self._in_flight:
                return None
            if any(notice.uuid == first.after for notice in self._in_flight.values()):
                return None
            return self._waiting.popleft()

    def _drop(self, notice: Notice) -> None:
        self.dropped += 1
        self._not_taken.append(notice.uuid)
