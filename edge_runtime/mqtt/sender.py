"""The thread that keeps a connection to the broker and sends the spool over it."""

from __future__ import annotations

import logging
import math
import select
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from edge_runtime.clock import wall_clock_quality
from edge_runtime.mqtt.connection import Connection
from edge_runtime.mqtt.endpoint import Endpoint
from edge_runtime.mqtt.events import Acknowledged, Answered, Ended, Event, Received, Subscribed, Will
from edge_runtime.mqtt.notices import Notice, Notices
from edge_runtime.mqtt.outgoing import Outgoing, backoff_s
from edge_runtime.mqtt.reasons import BROKERS_OWN_REASONS, FAILURE, SESSION_TAKEN_OVER, refusal
from edge_runtime.mqtt.wire import Waker
from edge_runtime.ratelimit import RateLimitedLog
from edge_runtime.spool import Spool, SpoolStats
from edge_runtime.spool_row import Message, Priority
from fissura.errors import BrokerError, SpoolError
from fissura.messages import Status, Telemetry
from fissura.topics import STATUS, TELEMETRY, client_id

logger = logging.getLogger(__name__)

ANSWER_TIMEOUT_S = 10.0
STABLE_S = 10.0
TAKEOVER_SUSPECTED = 3  # short connections in a row
FIRST_RETRY_S = 0.5
LONGEST_RETRY_S = 30.0
FAREWELL_TIMEOUT_S = 2.0
assert TELEMETRY.max_rate_hz is not None
HEARTBEAT_S = 1.0 / TELEMETRY.max_rate_hz
RIDE_ALONG_S = 0.25  # a due heartbeat waits so long for a frame's messages: it wakes nobody then, and shares their way
OFFLINE_HEARTBEAT_S = 60.0  # nobody listens: enough to tell afterwards how it went
JOIN_TIMEOUT_S = 8.0


@dataclass(frozen=True)
class Voice:
    """What the sender says on the pipeline's behalf.

    Attributes:
        serial: of the device.
        status: makes a status of a state and a reason.
        telemetry: makes a heartbeat.
    """

    serial: str
    status: Callable[[str, str | None], Status]
    telemetry: Callable[[SpoolStats], Telemetry]


@dataclass(frozen=True)
class Ear:
    """What the sender listens to on the pipeline's behalf.

    Attributes:
        topics: to subscribe to on every connect, as `Connection.subscribe` takes them.
        heard: takes what comes in; called by the sender's thread, so it must be quick.
        greeting: what to say after the birth, on every connect.
    """

    topics: Mapping[str, bool] = field(default_factory=dict)
    heard: Callable[[Received], None] = lambda message: None
    greeting: Callable[[], Sequence[Notice]] = lambda: ()


class Sender:
    """Connects, and connects again for ever; publishes the birth on every connect, then the spool, metered.

    Args:
        endpoint: the broker.
        spool: what to send; deletes what the broker has acknowledged.
        voice: what to say besides.
        refused: called, once, when the broker refuses the first connection for a reason that lasts.
        outgoing: meters the rows.
        ear: what to listen to.

    Attributes:
        notices: what goes out beside the spool; `wake` after a `put`.
        connects: how often the broker has welcomed us.
        connected: whether the broker takes messages now.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        spool: Spool,
        voice: Voice,
        refused: Callable[[BrokerError], None],
        outgoing: Outgoing | None = None,
        ear: Ear | None = None,
    ) -> None:
        self.outgoing = outgoing or Outgoing(spool)
        self.notices = Notices()
        self.connects = 0
        self.connected = False
        self._short_connections = 0
        self._endpoint = endpoint
        self._spool = spool
        self._voice = voice
        self._refused = refused
        self._topic = STATUS.of(voice.serial)
        self._endless = f"trying again for ever. Does it speak MQTT {endpoint.version}? (--mqtt-version)"
        self._ear = ear or Ear()
        self._waker = Waker()
        self._closing = False
        self._last_words: Status | None = None
        self._quiet = False
        self._next_heartbeat = time.monotonic()
        self._log = RateLimitedLog(logger, period_s=60.0)
        # A daemon: resolving a host name can hang, and must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="mqtt-sender", daemon=True)

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def wake(self) -> None:
        """There is something new to send."""
        self._waker.wake()

    @property
    def alive(self) -> bool:
        """False once it has given up or was closed."""
        return self._thread.is_alive()

    def last_heartbeat(self) -> None:
        """Put a last heartbeat into the spool and no more until `resume`, so that the spool can run empty."""
        self._quiet = True
        self._put_heartbeat()
        self.wake()

    def resume(self) -> None:
        """Heartbeats again, after a `last_heartbeat` that was not the last."""
        self._quiet = False

    def close(self, last_words: Status) -> None:
        """Publish the last status, if there is a connection, and end."""
        self._last_words = last_words
        self._closing = True
        self.wake()
        self._thread.join(JOIN_TIMEOUT_S)
        if self._thread.is_alive():
            logger.warning("the MQTT sender does not end: left behind")
        else:
            self._waker.close()

    def _run(self) -> None:
        attempt = 0
        while not self._closing:
            began = time.monotonic()
            try:
                attempt += self._connect_and_send()
            except BrokerError as error:
                self._refused(error)
                return
            except SpoolError as error:
                self._log.warning("spool", str(error))
            except Exception as error:
                # Whatever it is, the vehicle's messages wait in the spool and the next try may do.
                self._log.warning(
                    type(error).__name__, f"the MQTT sender failed and starts again:\n{traceback.format_exc()}"
                )
            if time.monotonic() - began > STABLE_S:
                attempt = self._short_connections = 0
            self._wait(backoff_s(attempt, first_s=FIRST_RETRY_S, longest_s=LONGEST_RETRY_S))
            attempt += 1

    def _connect_and_send(self) -> int:
        """One connection, from its beginning to its end.

        Returns:
            By how many more steps the next try should wait.
        """
        will = Will(self._topic, self._voice.status("offline", "connection lost").to_json())
        connection = Connection(self._endpoint, client_id(self._voice.serial), will, self._waker)
        try:
            connection.open()
        except ssl.SSLCertVerificationError as error:
            if self.connects == 0 and not _may_be_our_clock(error):
                raise BrokerError(
                    f"broker {self._endpoint} has a certificate that cannot be trusted: {error.verify_message}",
                    fix="give the certificate of its authority with --ca",
                ) from error
            self._unreachable(error)
            return 0
        except OSError as error:
            self._unreachable(error)
            return 0
        try:
            answer = self._answer(connection)
            if answer is None or self._closing:
                return 0
            if answer.code >= FAILURE:
                return self._turned_away(answer)
            return self._send(connection, answer)
        finally:
            connection.close()

    def _answer(self, connection: Connection) -> Answered | None:
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while not self._closing and (rest_s := deadline - time.monotonic()) > 0:
            for event in connection.wait(rest_s):
                if isinstance(event, Answered):
                    return event
                if isinstance(event, Ended):
                    self._log.warning(
                        "hangs up",
                        f"broker {self._endpoint} hangs up without an answer ({event.reason}); {self._endless}",
                    )
                    return None
            self._heartbeat(OFFLINE_HEARTBEAT_S)
        if not self._closing:
            self._log.warning("silent", f"broker {self._endpoint} does not answer; {self._endless}")
        return None

    def _turned_away(self, answer: Answered) -> int:
        error = refusal(self._endpoint, answer.code, answer.reason)
        if error is not None and self.connects == 0:
            raise error
        self._log.warning("refused", f"broker {self._endpoint} refuses the connection: {answer.reason}; trying again")
        return 0 if error is None else 4

    def _send(self, connection: Connection, answer: Answered) -> int:
        self.connects += 1
        logger.info("connected to broker %s", self._endpoint)
        if self._ear.topics:  # before the birth: who reads that may give commands
            connection.subscribe(self._ear.topics)
        self._say(connection, self._voice.status("online", None))
        self.notices.packet_limit_bytes = answer.packet_limit_bytes
        self.notices.put(*self._ear.greeting())
        self.outgoing.opened(answer.receive_maximum, answer.packet_limit_bytes)
        self.connected = True
        try:
            with self._spool.watched():
                while not self._closing:
                    self._publish(connection)
                    # Without an event as well: what was delivered is deleted when it is due, or the waiting becomes a
                    # spin.
                    self._take_events(connection.wait(self._patience_s()))
                    if connection.ended is not None:
                        return self._lost(connection.ended)
                    self._heartbeat(HEARTBEAT_S)
                    if self._quiet:  # somebody waits for the spool to be empty
                        self.outgoing.tidy()
            self._say_goodbye(connection)
        finally:
            self.connected = False
            self.notices.lost()
            self.outgoing.tidy()
        return 0

    def _publish(self, connection: Connection) -> None:
        """What the broker takes at the moment, answers first."""
        while self.outgoing.room(self.notices.in_flight) > 0 and (notice := self.notices.next()) is not None:
            mid = connection.publish(
                notice.topic,
                notice.payload,
                retain=notice.retain,
                uuid=notice.uuid,
                correlation=notice.correlation,
            )
            self.notices.sent(mid, notice)
        if not self.notices.risking:
            self._publish_rows(connection)

    def _take_events(self, events: Sequence[Event]) -> list[Acknowledged]:
        answers = [event for event in events if isinstance(event, Acknowledged)]
        self.outgoing.settle(answers)
        if self.notices.in_flight:
            self.notices.settle(answers)
        for event in events:
            if isinstance(event, Received):
                self._ear.heard(event)
            elif isinstance(event, Subscribed):
                for topic, reason in event.refused.items():
                    self._log.warning(
                        f"subscribe {topic}", f"the broker does not let us read {topic}: {reason}; allow it there"
                    )
        return answers

    def _publish_rows(self, connection: Connection) -> None:
        for row in self.outgoing.ready(self.notices.in_flight):
            message = row.message
            try:
                mid = connection.publish(message.topic, message.payload, retain=message.retain, uuid=message.uuid)
            except ValueError as error:
                self.outgoing.reject(row, str(error))
            else:
                self.outgoing.sent(mid, row)

    def _lost(self, ended: Ended) -> int:
        found_culprit = False
        if ended.code not in BROKERS_OWN_REASONS:
            self.outgoing.lost(self.notices.in_flight)
            found_culprit = self.notices.lost(suspicious=True)
        if not found_culprit:
            self._short_connections += 1
        taken_over = ended.code == SESSION_TAKEN_OVER
        self._log.warning("lost", f"connection to broker {self._endpoint} ended: {ended.reason}; connecting again")
        if taken_over or self._short_connections >= TAKEOVER_SUSPECTED:
            # Some brokers (mosquitto 2.0.11) tell the loser nothing; each connects again and ends the other's.
            self._log.warning(
                "taken over",
                f"connections to broker {self._endpoint} do not last: do two devices share the serial "
                f"{self._voice.serial!r}? (--serial)",
            )
        return 4 if taken_over else 0

    def _say_goodbye(self, connection: Connection) -> None:
        """Publish the last status and wait for the broker to have it, while what is on its way may still arrive."""
        if self._last_words is None:
            return
        mid = self._say(connection, self._last_words)
        deadline = time.monotonic() + FAREWELL_TIMEOUT_S
        while (rest_s := deadline - time.monotonic()) > 0:
            answers = self._take_events(connection.wait(rest_s))
            if any(answer.mid == mid for answer in answers) or connection.ended is not None:
                return

    def _say(self, connection: Connection, status: Status) -> int:
        return connection.publish(self._topic, status.to_json(), retain=STATUS.retain, uuid=str(status.uuid))

    def _wait(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        poll = select.poll()
        poll.register(self._waker, select.POLLIN)
        while not self._closing and (rest_s := deadline - time.monotonic()) > 0:
            poll.poll(math.ceil(rest_s * 1e3))
            self._waker.clear()
            self._heartbeat(OFFLINE_HEARTBEAT_S)

    def _patience_s(self) -> float:
        heartbeat_s = self._next_heartbeat + RIDE_ALONG_S - time.monotonic()
        waits = (heartbeat_s, self.outgoing.next_due_s(), self._spool.look_after_disk())
        return min(wait_s for wait_s in waits if wait_s is not None)

    def _heartbeat(self, period_s: float) -> None:
        """A heartbeat at most every `period_s`: a last will cannot tell that the pipeline has stalled, this can."""
        now = time.monotonic()
        due = now >= self._next_heartbeat
        # Coming online, the long period must not last on.
        self._next_heartbeat = now + period_s if due else min(self._next_heartbeat, now + period_s)
        if due and not self._quiet:
            self._put_heartbeat()

    def _put_heartbeat(self) -> None:
        """Spool a heartbeat. One that the disk does not take costs neither the connection nor this thread."""
        try:
            telemetry = self._voice.telemetry(self._spool.stats())
            self._spool.put(
                [
                    Message(
                        str(telemetry.uuid),
                        TELEMETRY.of(self._voice.serial),
                        telemetry.to_json(),
                        qos=TELEMETRY.qos,
                        retain=TELEMETRY.retain,
                        priority=Priority.TELEMETRY,
                    )
                ]
            )
        except SpoolError as error:
            self._log.warning("heartbeat", f"a heartbeat is lost: {error.found}")

    def _unreachable(self, error: OSError) -> None:
        self._log.warning(
            "unreachable",
            f"broker {self._endpoint} cannot be reached ({error.strerror or error}); trying again for ever, "
            "messages wait in the spool",
        )


def _may_be_our_clock(error: ssl.SSLCertVerificationError) -> bool:
    """A certificate looks expired or not yet valid to a vehicle whose clock has not been set."""
    return error.verify_code in (9, 10) and wall_clock_quality() == "unsynchronised"
