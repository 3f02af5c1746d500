"""One connection to a broker. It connects once and never again; all that happens to it is an event.

Paho does the protocol, except for our own messages and their acknowledgements, which are the mass of it. The caller's
thread does the rest: there is no network thread. Paho's own reconnecting is not
used either: it has no jitter, resends everything at once and keeps what it sends in memory only. Here a lost
connection is thrown away, and what was on its way is still in the spool.
"""

from __future__ import annotations

import math
import select
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge_runtime.mqtt.endpoint import Endpoint
from edge_runtime.mqtt.events import Acknowledged, Answered, Ended, Event, Received, Subscribed, Will
from edge_runtime.mqtt.packets import Puback, encode_publish
from edge_runtime.mqtt.reasons import FAILURE, PACKET_TOO_LARGE
from edge_runtime.mqtt.wire import Waker, Wire

CONNECT_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 2.0
LONGEST_WAIT_S = 1.0  # paho has to look at its keep-alive now and then
GATHER_S = 0.002  # for the rest of a window's PUBACKs, after the first
LARGEST_PACKET_BYTES = 262144  # that we take; commands are small
FIRST_MID, LAST_MID = 1000, 65535  # paho counts its own few, from 1 on
PROTOCOLS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}


class Connection:
    """A paho client, driven by the thread that calls `wait`.

    Args:
        endpoint: the broker.
        client_id: identifies the device; a second connection of that id ends the first.
        will: the last will.
        waker: ends a `wait`.

    Attributes:
        ended: set once the connection is no more.
    """

    def __init__(self, endpoint: Endpoint, client_id: str, will: Will, waker: Waker) -> None:
        self._endpoint = endpoint
        self._waker = waker
        self._events: list[Event] = []
        self._subscriptions: dict[int, Sequence[str]] = {}
        self.ended: Ended | None = None
        self._mid = LAST_MID
        self._unanswered = 0
        self._next_look_s = 0.0
        self._poll = select.poll()
        self._poll.register(waker, select.POLLIN)
        self._polled_for = select.POLLIN  # of the socket
        self._farewell: ReasonCode | None = None
        version = PROTOCOLS[endpoint.version]
        self._is_v5 = version is MQTTProtocolVersion.MQTTv5
        client = _Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            clean_session=None if self._is_v5 else True,
            protocol=version,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S
        client.max_inflight_messages_set(0)  # the caller meters; paho would keep a queue of its own
        client.will_set(will.topic, will.payload, qos=1, retain=True)
        if endpoint.username is not None:
            client.username_pw_set(endpoint.username, endpoint.password)
        if endpoint.tls is not None:
            client.tls_set_context(endpoint.tls)
        client.on_connect = self._on_connect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        self._client = client

    def open(self) -> None:
        """Connect; the broker's answer comes as an event.

        Raises:
            OSError: the broker cannot be reached; `ssl.SSLError` where encryption fails.
        """
        endpoint = self._endpoint
        if self._is_v5:
            limits = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            limits.MaximumPacketSize = LARGEST_PACKET_BYTES
            self._client.connect(
                endpoint.host, endpoint.port, endpoint.keepalive_s, clean_start=True, properties=limits
            )
        else:
            self._client.connect(endpoint.host, endpoint.port, endpoint.keepalive_s)
        if self._client.wire is None:
            raise RuntimeError("this version of paho-mqtt makes its socket in another way: install paho-mqtt 2.2")
        self._poll.register(self._client.wire, select.POLLIN)

    def publish(self, topic: str, payload: bytes, *, retain: bool, uuid: str, correlation: bytes | None = None) -> int:
        """Take a message, to be sent with QoS 1 by the next `wait`.

        Returns:
            Its packet identifier: `Acknowledged` names it.

        Raises:
            ValueError: MQTT does not allow the topic or the size.
        """
        self._mid = self._mid + 1 if self._mid < LAST_MID else FIRST_MID
        packet = encode_publish(
            topic,
            payload,
            self._mid,
            retain=retain,
            user_property=("uuid", uuid),
            correlation=correlation,
            is_v5=self._is_v5,
        )
        if self._client.wire is not None:
            self._client.wire.send(packet)
            self._unanswered += 1
        return self._mid

    def subscribe(self, topics: Mapping[str, bool]) -> None:
        """Ask for the messages of these topics, with QoS 1.

        Args:
            topics: and of each whether `Received.retained` is to say what the publisher asked for. Otherwise, and
                always with MQTT 3.1.1, it says so only of messages from before we subscribed.
        """
        if self._is_v5:
            _, mid = self._client.subscribe(
                [(topic, SubscribeOptions(qos=1, retainAsPublished=flagged)) for topic, flagged in topics.items()]
            )
        else:
            _, mid = self._client.subscribe([(topic, 1) for topic in topics])
        if mid is not None:
            self._subscriptions[mid] = tuple(topics)

    def wait(self, timeout_s: float) -> list[Event]:
        """Send what was given, and wait until something happens, the waker wakes, or the time is over.

        Returns:
            What has happened, in order.
        """
        wire = self._client.wire
        if self._client.socket() is not None and wire is not None:
            try:
                wire.flush()
                self._exchange(wire, timeout_s)
                if (now := time.monotonic()) >= self._next_look_s:
                    self._next_look_s = now + LONGEST_WAIT_S
                    self._client.loop_misc()
                wire.flush()
            except OSError as error:
                self._end(error.strerror or str(error))
        else:
            self._waker.clear()
        if self._client.socket() is None:
            self._end("connection lost")
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """Say goodbye, so that the broker does not publish the will."""
        if (wire := self._client.wire) is not None and self.ended is None:
            wire.say_farewell(CLOSE_TIMEOUT_S)
        with suppress(OSError):
            self._client.disconnect()
        if wire is not None:
            wire.close()

    def _exchange(self, wire: Wire, timeout_s: float) -> None:
        self._read(wire, timeout_s)
        pubacks = wire.take_pubacks()
        if pubacks and (missing := self._unanswered - len(pubacks)) > 0:
            # A broker's first comes alone and the others at its heels, once the first is read and thereby acknowledged:
            # all of them are worth one round of the caller, and one awakening.
            wire.wait_for_pubacks(missing)
            try:
                self._read(wire, GATHER_S)
            finally:
                wire.wait_for_any()
            pubacks += wire.take_pubacks()
        self._unanswered -= len(pubacks)
        if self._client.want_write():
            self._client.loop_write()
        if pubacks:
            self._acknowledge(pubacks, time.monotonic_ns())

    def _read(self, wire: Wire, timeout_s: float) -> None:
        """Wait for something to read, for the waker, or until what could not be sent can be."""
        if self._client.socket() is None:
            return
        wanted = select.POLLIN | (select.POLLOUT if wire.unsent else 0)
        if wanted != self._polled_for:
            self._poll.modify(wire, wanted)
            self._polled_for = wanted
        # Rounded up: rounded down it would spin through the last millisecond.
        wait_ms = 0 if wire.unread else math.ceil(max(0.0, min(timeout_s, LONGEST_WAIT_S)) * 1e3)
        ready = dict(self._poll.poll(wait_ms))
        if self._waker.fileno() in ready:
            self._waker.clear()
        readable = wire.unread or ready.get(wire.fileno(), 0) & ~select.POLLOUT
        while readable and wire.receive() and self._client.loop_read() is MQTTErrorCode.MQTT_ERR_SUCCESS:
            readable = self._client.socket() is not None and wire.unread

    def _acknowledge(self, pubacks: Sequence[Puback], at_ns: int) -> None:
        for puback in pubacks:
            refused = puback.code >= FAILURE
            self._events.append(
                Acknowledged(puback.mid, puback.code, _puback_reason(puback.code) if refused else "", at_ns)
            )

    def _end(self, reason: str) -> None:
        if self.ended is None:
            code = self._farewell
            self.ended = Ended(None if code is None else code.value, reason if code is None else str(code))
            self._events.append(self.ended)

    # Called by paho, within `wait`. They only note what happened.

    def _on_connect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.ConnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._events.append(
            Answered(
                code.value,
                str(code),
                getattr(properties, "ReceiveMaximum", None),
                getattr(properties, "MaximumPacketSize", None),
            )
        )

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:  # the broker should not have let it pass
            return
        self._events.append(
            Received(
                topic,
                bytes(message.payload),
                message.retain,
                getattr(message.properties, "ResponseTopic", None),
                getattr(message.properties, "CorrelationData", None),
            )
        )

    def _on_subscribe(
        self, client: paho.Client, userdata: Any, mid: int, codes: list[ReasonCode], properties: Properties
    ) -> None:
        topics = self._subscriptions.pop(mid, ())
        refused = {topic: str(code) for topic, code in zip(topics, codes, strict=False) if code.value >= FAILURE}
        self._events.append(Subscribed(refused))

    def _on_disconnect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.DisconnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._farewell = code


class _Client(paho.Client):
    """A client whose socket gathers what is read and written."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.wire: Wire | None = None

    def _create_socket(self) -> Any:
        peer: socket.socket = super()._create_socket()  # type: ignore[assignment]
        self.wire = Wire(peer)
        return self.wire


def _puback_reason(code: int) -> str:
    try:
        return str(ReasonCode(PacketTypes.PUBACK, identifier=code))
    except (KeyError, ValueError):  # not for a PUBACK, says the standard; mosquitto 2.0.11 does not mind
        return "packet too large" if code == PACKET_TOO_LARGE else f"reason code {code}"
