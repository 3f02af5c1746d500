"""One connection to a broker. It connects once and never again; all that happens to it is an event in a queue.

Paho's own reconnecting is not used: it has no jitter, resends everything at once and keeps what it sends in memory
only. Here a lost connection is thrown away, and what was on its way is still in the spool.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from edge_runtime.mqtt.endpoint import Endpoint

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 2.0
PROTOCOLS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}


@dataclass(frozen=True)
class Event:
    """Something that happened to a connection."""

    connection: Connection


@dataclass(frozen=True)
class Answered(Event):
    """The broker's CONNACK.

    Attributes:
        code: MQTT 5 reason code, 0 for welcome; a 3.1.1 code is translated.
        reason: in words.
        receive_maximum: how many unacknowledged messages the broker takes; None: any number.
        packet_limit_bytes: largest packet that the broker takes; None: any.
    """

    code: int
    reason: str
    receive_maximum: int | None
    packet_limit_bytes: int | None


@dataclass(frozen=True)
class Acknowledged(Event):
    """The broker's PUBACK: below 0x80 the broker has the message, from there on it refuses it."""

    mid: int
    code: int
    reason: str


@dataclass(frozen=True)
class Ended(Event):
    """The connection is no more; the last event of each.

    Attributes:
        code: MQTT 5 reason code of the broker's DISCONNECT; None: it sent none.
        reason: in words.
    """

    code: int | None
    reason: str


@dataclass(frozen=True)
class Will:
    """What the broker publishes, retained, when the connection is lost."""

    topic: str
    payload: bytes


class Connection:
    """A paho client with its network thread.

    Args:
        endpoint: the broker.
        client_id: identifies the device; a second connection of that id ends the first.
        will: the last will.
        events: where all that happens goes to.

    Attributes:
        ended: set, just before its event, once the connection is no more.
    """

    def __init__(self, endpoint: Endpoint, client_id: str, will: Will, events: SimpleQueue[Event | None]) -> None:
        self._endpoint = endpoint
        self._events = events
        self.ended: Ended | None = None
        self._over = threading.Event()
        self._farewell: ReasonCode | None = None
        version = PROTOCOLS[endpoint.version]
        self._is_v5 = version is MQTTProtocolVersion.MQTTv5
        client = _Client(
            self._on_end,
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
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        self._client = client

    def open(self) -> None:
        """Connect and start the network thread; the broker's answer comes as an event.

        Raises:
            OSError: the broker cannot be reached; `ssl.SSLError` where encryption fails.
        """
        endpoint = self._endpoint
        if self._is_v5:
            self._client.connect(endpoint.host, endpoint.port, endpoint.keepalive_s, clean_start=True)
        else:
            self._client.connect(endpoint.host, endpoint.port, endpoint.keepalive_s)
        self._client.loop_start()

    def publish(self, topic: str, payload: bytes, *, qos: int, retain: bool, uuid: str) -> int:
        """Hand a message to the network thread.

        Returns:
            Its packet identifier: `Acknowledged` names it. The return code says nothing that is worth knowing: a
            message given while offline counts as failed and would be sent all the same.

        Raises:
            ValueError: MQTT does not allow the topic or the size.
        """
        properties = None
        if self._is_v5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.UserProperty = ("uuid", uuid)
        return self._client.publish(topic, payload, qos, retain, properties).mid

    def close(self) -> None:
        """Say goodbye, so that the broker does not publish the will, and end the network thread."""
        with suppress(OSError):
            self._client.disconnect()
        if self._client.started and not self._over.wait(CLOSE_TIMEOUT_S):
            self._tear()
            if not self._over.wait(CLOSE_TIMEOUT_S):
                logger.warning("the network thread of %s does not end: left behind", self._endpoint)
        self._client.on_connect = self._client.on_publish = self._client.on_disconnect = None

    def _tear(self) -> None:
        """End a thread that waits for a broker which no longer reads."""
        wire: Any = self._client.socket()
        with suppress(OSError, AttributeError):
            wire.shutdown(socket.SHUT_RDWR)

    # Called by the network thread. They only note what happened: slow work here would stall the connection, and an
    # exception would end the thread (which `Ended` then reports).

    def _on_connect(
        self,
        client: paho.Client,
        userdata: Any,
        flags: paho.ConnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._events.put(
            Answered(
                self,
                code.value,
                str(code),
                getattr(properties, "ReceiveMaximum", None),
                getattr(properties, "MaximumPacketSize", None),
            )
        )

    def _on_publish(
        self, client: paho.Client, userdata: Any, mid: int, code: ReasonCode, properties: Properties
    ) -> None:
        self._events.put(Acknowledged(self, mid, code.value, str(code)))

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

    def _on_end(self, error: Exception | None) -> None:
        if error is not None:
            logger.error("the network thread of %s failed", self._endpoint, exc_info=error)
        code = self._farewell
        reason = "connection lost" if code is None else str(code)
        self.ended = Ended(self, None if code is None else code.value, reason)
        self._events.put(self.ended)
        self._over.set()


class _Client(paho.Client):
    """A client whose network thread reports its own end, whatever the cause.

    Paho reports the end of a connection only where it notices it; after an exception `is_connected()` stays true.
    """

    def __init__(self, report_end: Callable[[Exception | None], None], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.started = False
        self._report_end = report_end

    def loop_start(self) -> MQTTErrorCode:
        self.started = True
        return super().loop_start()

    def loop_forever(self, timeout: float = 1.0, retry_first_connection: bool = False) -> MQTTErrorCode:
        try:
            code = super().loop_forever(timeout, retry_first_connection)
        except Exception as error:
            self._report_end(error)
            return MQTTErrorCode.MQTT_ERR_UNKNOWN
        self._report_end(None)
        return code
