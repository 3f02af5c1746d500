"""The device's side of the conversation with the operator, over a connection of its own.

What is reported is on the disk before it is sent (see `outbox`). The newest state is published again on every connect,
for brokers that have forgotten it. Without a broker everything else goes on: devices look into the repository by
themselves.
"""

from __future__ import annotations

import logging
import ssl
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from uuid import UUID

from pydantic import Field

from edge_runtime.mqtt.connection import Connection
from edge_runtime.mqtt.endpoint import Endpoint, MqttConfig, read_endpoint
from edge_runtime.mqtt.events import Acknowledged, Answered, Received, Subscribed, Will
from edge_runtime.mqtt.outgoing import backoff_s
from edge_runtime.mqtt.reasons import FAILURE
from edge_runtime.mqtt.wire import Waker
from edge_runtime.ratelimit import RateLimitedLog
from edge_runtime.updates.hints import Hints
from edge_runtime.updates.letterhead import Letterhead
from edge_runtime.updates.letters import Letters
from edge_runtime.updates.outbox import Outbox, event_uuid
from edge_runtime.updates.ports import Standing
from edge_runtime.updates.resending import Resending
from fissura.errors import SpoolError
from fissura.topics import UPDATE_EVENT, UPDATE_ONLINE, UPDATE_STATE, client_id
from fissura.update_messages import Presence

logger = logging.getLogger(__name__)

ANSWER_TIMEOUT_S = 10.0
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 60.0
STABLE_S = 10.0
WINDOW = 20  # messages that the broker has not acknowledged
FAREWELL_S = 2.0
JOIN_S = 15.0
HURRY_S = 5.0  # the whole fleet hears that the operator is there at the same time
MOST_UNSTORED = 200  # reports that a full disk did not take
DISK_RETRY_S = 5.0
assert UPDATE_STATE.max_rate_hz is not None
STATE_PERIOD_S = 1.0 / UPDATE_STATE.max_rate_hz


class ReportConfig(MqttConfig):
    """Where reports go."""

    broker: str = Field(pattern=r"^mqtts?://\S+$", description="mqtts://HOST[:PORT]")


class Reporter:
    """Implements `ports.Report`. None of its methods raises, and none waits for the network.

    Args:
        config: of the broker.
        serial: of the device.
        channel: that it follows.
        hardware: kind of device.
        outbox: keeps the reports; closed by whoever made it.
        hints: told when to look into the repository.

    Attributes:
        connected: whether the broker takes reports now.

    Raises:
        ConfigError: the broker's address, or a file of its credentials, cannot be used.
    """

    def __init__(
        self, config: ReportConfig, *, serial: str, channel: str, hardware: str, outbox: Outbox, hints: Hints
    ) -> None:
        self.connected = False
        self._endpoint: Endpoint = read_endpoint(config.broker, config)
        self._serial = serial
        self._head = Letterhead(serial, channel, hardware)
        self._outbox = outbox
        self._letters = Letters(serial, channel, hints, self._acknowledged, self._operator_is_there)
        self._resending = Resending()
        self._waker = Waker()
        self._closing = False
        self._changed = threading.Event()  # something is new in the outbox
        self._unstored: deque[Callable[[], object]] = deque(maxlen=MOST_UNSTORED)
        self._retry_disk_s = 0.0
        self._state_sent_s = float("-inf")
        self._state_told: bytes | None = None
        self._flight: set[int] = set()
        self._window = WINDOW
        self._log = RateLimitedLog(logger, period_s=60.0)
        # A daemon: resolving a host name can hang, and must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="update-reporter", daemon=True)

    def start(self) -> None:
        """Begin to connect, and go on for ever."""
        self._thread.start()

    def close(self) -> None:
        """Say goodbye, if there is a connection, and end."""
        self._closing = True
        self._waker.wake()
        if self._thread.is_alive():
            self._thread.join(JOIN_S)
        if self._thread.is_alive():
            logger.warning("the reporter does not end: left behind")
        else:
            self._waker.close()

    def state(self, standing: Standing, sequence: int) -> None:
        """See `ports.Report`. The report gets a number of its own: see `outbox`."""
        self._keep(lambda: self._outbox.put_state(lambda number: self._head.state(standing, number).to_json()))

    def event(self, standing: Standing, sequence: int, happened_utc: datetime, figures: Mapping[str, float]) -> None:
        """See `ports.Report`."""
        uuid = event_uuid(self._serial, sequence, happened_utc)

        def make(number: int) -> bytes:
            return self._head.event(standing, number, uuid, happened_utc, figures).to_json()

        self._keep(lambda: self._outbox.put_event(uuid, standing.phase, make))

    def _keep(self, put: Callable[[], object]) -> None:
        if self._unstored:
            self._unstored.append(put)  # in order
            return
        try:
            put()
        except SpoolError as error:
            self._log.warning("outbox", f"a report is kept in memory: {error}")
            self._unstored.append(put)
        except Exception:  # whatever it is, the machine goes on
            self._log.warning("report", f"a report could not be made:\n{traceback.format_exc()}")
        self._changed.set()
        self._waker.wake()

    # From here on in the reporter's thread.

    def _run(self) -> None:
        attempt = 0
        while not self._closing:
            began = time.monotonic()
            try:
                self._converse()
            except (OSError, ssl.SSLError) as error:
                self._log.warning("unreachable", f"broker {self._endpoint} cannot be reached: {error}; trying again")
            except Exception:
                self._log.warning("failed", f"the reporter failed and starts again:\n{traceback.format_exc()}")
            finally:
                self.connected = False
            attempt = 0 if time.monotonic() - began > STABLE_S else attempt + 1
            self._pause(backoff_s(attempt, first_s=FIRST_RETRY_S, longest_s=LONGEST_RETRY_S))

    def _converse(self) -> None:
        """One connection, from its beginning to its end."""
        will = Will(UPDATE_ONLINE.of(self._serial), self._head.presence(online=False).to_json())
        connection = Connection(self._endpoint, client_id(self._serial, "agent"), will, self._waker)
        try:
            connection.open()
            if not self._welcomed(connection):
                return
            connection.subscribe(dict.fromkeys(self._letters.topics, False))
            self.connected = True
            self._flight.clear()
            self._state_told, self._state_sent_s = None, float("-inf")
            self._say(connection, self._head.presence(online=True))
            self._resending.hurry()
            self._changed.set()
            while not self._closing and connection.ended is None:
                self._speak(connection)
                self._hear(connection, self._patience_s())
            if connection.ended is not None:
                self._log.warning("lost", f"connection to broker {self._endpoint} ended: {connection.ended.reason}")
            else:
                self._say_goodbye(connection)
        finally:
            connection.close()

    def _welcomed(self, connection: Connection) -> bool:
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while not self._closing and connection.ended is None and (rest_s := deadline - time.monotonic()) > 0:
            for event in connection.wait(rest_s):
                if isinstance(event, Answered) and event.code < FAILURE:
                    self._window = min(WINDOW, event.receive_maximum or WINDOW)
                    return True
                if isinstance(event, Answered):
                    self._log.warning(
                        "refused", f"broker {self._endpoint} refuses the connection: {event.reason}; trying again"
                    )
                    return False
        self._log.warning("silent", f"broker {self._endpoint} does not answer; trying again")
        return False

    def _speak(self, connection: Connection) -> None:
        """Publish what is due and what the broker takes now."""
        if self._changed.is_set():
            self._changed.clear()
            self._resending.keep(self._outbox.events())
        now = time.monotonic()
        if now - self._state_sent_s >= STATE_PERIOD_S and len(self._flight) < self._window:
            state = self._outbox.state()
            if state is not None and state != self._state_told:
                self._state_told, self._state_sent_s = state, now
                topic = UPDATE_STATE.of(self._serial)
                self._flight.add(connection.publish(topic, state, retain=UPDATE_STATE.retain, uuid=""))
        for waiting in self._resending.take(self._window - len(self._flight)):
            topic = UPDATE_EVENT.of(self._serial)
            self._flight.add(connection.publish(topic, waiting.payload, retain=False, uuid=str(waiting.uuid)))

    def _hear(self, connection: Connection, patience_s: float) -> None:
        for event in connection.wait(patience_s):
            if isinstance(event, Acknowledged):
                self._flight.discard(event.mid)
                if event.code >= FAILURE:
                    self._log.warning("not taken", f"broker {self._endpoint} does not take a report: {event.reason}")
            elif isinstance(event, Received):
                self._letters.take(event)
            elif isinstance(event, Subscribed):
                for topic, reason in event.refused.items():
                    self._log.warning(topic, f"the broker does not let us read {topic}: {reason}; allow it there")
        self._retry_disk()

    def _patience_s(self) -> float:
        if len(self._flight) >= self._window:
            return 1.0
        rest_s = self._state_sent_s + STATE_PERIOD_S - time.monotonic()
        return max(0.0, min(1.0, self._resending.next_due_s(), rest_s if rest_s > 0 else 1.0))

    def _retry_disk(self) -> None:
        """Store what a full disk did not take."""
        if not self._unstored or time.monotonic() < self._retry_disk_s:
            return
        while self._unstored:
            try:
                self._unstored[0]()
            except SpoolError:
                self._retry_disk_s = time.monotonic() + DISK_RETRY_S
                return
            except Exception:
                self._log.warning("report", f"a report could not be made:\n{traceback.format_exc()}")
            self._unstored.popleft()
            self._changed.set()

    def _acknowledged(self, uuids: Collection[UUID]) -> None:
        if ours := self._resending.hold(uuids):
            try:
                self._outbox.acknowledged(ours)
            except SpoolError as error:
                self._log.warning("outbox", str(error))
                self._changed.set()  # they are still there: read them again

    def _operator_is_there(self) -> None:
        self._resending.hurry(within_s=HURRY_S)

    def _say(self, connection: Connection, presence: Presence) -> int:
        mid = connection.publish(
            UPDATE_ONLINE.of(self._serial), presence.to_json(), retain=UPDATE_ONLINE.retain, uuid=str(presence.uuid)
        )
        self._flight.add(mid)
        return mid

    def _say_goodbye(self, connection: Connection) -> None:
        self._state_sent_s = float("-inf")
        self._speak(connection)
        self._say(connection, self._head.presence(online=False))
        deadline = time.monotonic() + FAREWELL_S
        while self._flight and connection.ended is None and (rest_s := deadline - time.monotonic()) > 0:
            self._hear(connection, rest_s)

    def _pause(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not self._closing and (rest_s := deadline - time.monotonic()) > 0:
            time.sleep(min(rest_s, 0.2))
            self._retry_disk()
