"""Takes detections from the broker and acknowledges each once it is stored: none is lost when the console is killed."""

from __future__ import annotations

import logging
import threading
import time
from queue import Empty, Queue
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from deploy.fleet.authority.roles import device_name
from deploy.fleet.console.detections.sighting import Sighting, sighting
from deploy.fleet.console.detections.store import DetectionStore
from deploy.fleet.rollout.broker import KEEPALIVE_S, BrokerAddress
from fissura.errors import FissuraError, FleetError
from fissura.messages import Detection
from fissura.topics import DETECTION, ROOT

logger = logging.getLogger(__name__)

SUBSCRIPTION = f"{ROOT}/+/{DETECTION.suffix}"
LARGEST_BYTES = 262_144
MOST_UNACKNOWLEDGED = 1000  # that the broker sends before it waits for us
SESSION_S = 7 * 86_400  # so long the broker keeps what comes while the console is down
BATCH = 1000
IDLE_S = 0.2
RETRY_S = 1.0
LOG_PERIOD_S = 60.0


class DetectionListener:
    """Fills a store until it is closed.

    Args:
        store: to fill.
        address: of the broker.
        client_id: names the session that the broker keeps; of two consoles with the same one, one works.

    Attributes:
        stored: detections that were new, or said more of their event than there was.
        repeated: detections that were neither.
        refused: messages that were none, or that the store does not take.
        connected: whether the broker sends now.
        unstored_since_s: since when the store takes nothing, UTC; None: it does, or nothing came.
    """

    def __init__(self, store: DetectionStore, address: BrokerAddress, client_id: str) -> None:
        self.stored = 0
        self.repeated = 0
        self.refused = 0
        self.connected = False
        self.unstored_since_s: float | None = None
        self._store = store
        self._address = address
        self._queue: Queue[paho.MQTTMessage] = Queue()  # no longer than what the broker sends unacknowledged
        self._closing = threading.Event()
        self._logged_s = float("-inf")
        client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5, manual_ack=True
        )
        client.reconnect_delay_set(1, 30)
        if address.tls is not None:
            client.tls_set_context(address.tls)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        self._client = client
        self._thread = threading.Thread(target=self._run, name="console-detections", daemon=True)

    def start(self) -> None:
        """Begin to connect, and go on for ever."""
        lasting = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        lasting.SessionExpiryInterval = SESSION_S
        lasting.ReceiveMaximum = MOST_UNACKNOWLEDGED
        self._thread.start()
        self._client.connect_async(
            self._address.host, self._address.port, KEEPALIVE_S, clean_start=False, properties=lasting
        )
        self._client.loop_start()

    def close(self) -> None:
        """Stop; what is not stored yet stays with the broker."""
        self._closing.set()
        self._thread.join()
        self._client.disconnect()
        self._client.loop_stop()

    # Called by paho's thread.

    def _on_connect(self, client: paho.Client, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
        if code.is_failure:
            self._warn(f"broker {self._address} refuses the connection: {code}")
            return
        client.subscribe(SUBSCRIPTION, qos=1)
        self.connected = True

    def _on_disconnect(self, client: paho.Client, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
        self.connected = False
        if not self._closing.is_set():
            self._warn(f"connection to broker {self._address} ended: {code}; connecting again")

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        self._queue.put(message)

    # In a thread of its own.

    def _run(self) -> None:
        while not self._closing.is_set():
            batch = self._take()
            if batch and self._keep([row for row in map(self._read, batch) if row is not None]):
                for message in batch:
                    self._client.ack(message.mid, message.qos)

    def _take(self) -> list[paho.MQTTMessage]:
        batch: list[paho.MQTTMessage] = []
        try:
            batch.append(self._queue.get(timeout=IDLE_S))
            while len(batch) < BATCH:
                batch.append(self._queue.get_nowait())
        except Empty:
            pass
        return batch

    def _keep(self, rows: list[Sighting]) -> bool:
        """Store, however long it takes; whether it was done before the end."""
        while True:
            try:
                added = self._store.add(rows) if rows else 0
                break
            except ValueError as error:  # one row must not keep all others out for ever
                if len(rows) > 1:
                    return all(self._keep([row]) for row in rows)
                self.refused += 1
                self._warn(f"left out a detection of {rows[0].serial}: {error}")
                return True
            except FleetError as error:  # a full disk, a database that is away: the broker keeps the rest
                self.unstored_since_s = self.unstored_since_s or time.time()
                self._warn(str(error))
                if self._closing.wait(RETRY_S):
                    return False
        self.unstored_since_s = None
        self.stored += added
        self.repeated += len(rows) - added
        return True

    def _read(self, message: paho.MQTTMessage) -> Sighting | None:
        problem = "too large"
        if len(message.payload) <= LARGEST_BYTES:
            try:
                detection = Detection.model_validate_json(message.payload)
                row = sighting(detection)
                device_name(detection.serial)
                if message.topic != DETECTION.of(detection.serial):
                    problem = "speaks for another device"
                elif any(isinstance(value, str) and "\0" in value for value in row.values()):
                    problem = "a zero byte, which PostgreSQL does not take"
                else:
                    return row
            except (ValueError, OverflowError, FissuraError) as error:  # pydantic's are ValueErrors
                problem = type(error).__name__
        self.refused += 1
        self._warn(f"left out a message of {message.topic!r}: {problem}")
        return None

    def _warn(self, text: str) -> None:
        if time.monotonic() - self._logged_s > LOG_PERIOD_S:
            self._logged_s = time.monotonic()
            logger.warning(text)
