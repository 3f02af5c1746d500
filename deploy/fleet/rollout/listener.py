"""Listens to the devices: stores what they report, and acknowledges events once they are stored.

One thread takes messages from the broker, another stores them, many in one transaction. Where the disk is slow, the
first waits for the second, the broker for it, and the devices, which keep everything, for the broker.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, Queue
from typing import Any, NamedTuple
from uuid import UUID

import paho.mqtt.client as paho

from deploy.fleet.registry.intake import Heard
from deploy.fleet.registry.registry import Registry
from deploy.fleet.rollout.broker import BrokerAddress
from deploy.fleet.rollout.outage import Outage
from deploy.fleet.rollout.read_report import SUBSCRIPTIONS, read_report
from fissura.errors import FleetError
from fissura.topics import UPDATE_ACK, announcement_topic
from fissura.update_messages import Acknowledgement, Announcement, UpdateEvent

logger = logging.getLogger(__name__)

MOST_WAITING = 50_000  # messages
BATCH = 2000
ACKNOWLEDGED_TOGETHER = 500  # events of a device
SETTLED_S = 2.0  # without another retained message: all that the broker has kept is here
IDLE_S = 0.2
GATHER_S = 0.05  # a commit waits for the disk, however little it writes
RETRY_S = 1.0
FAREWELL_S = 2.0
LOG_PERIOD_S = 60.0


class Delivery(NamedTuple):
    """A message as it came."""

    topic: str
    payload: bytes
    retained: bool


class Listener:
    """Keeps a registry up to date until it is closed.

    Args:
        registry: where to store.
        address: of the broker.

    Attributes:
        stored: messages that were stored.
        refused: messages that could not be read.
        outage: whether the broker is away.
    """

    def __init__(self, registry: Registry, address: BrokerAddress) -> None:
        self.stored = 0
        self.refused = 0
        self._registry = registry
        self._address = address
        self.outage = Outage(address)
        self._queue: Queue[Delivery] = Queue(MOST_WAITING)
        self._closing = threading.Event()
        self._subscribed = False
        self._since_s: float | None = None
        self._newest_retained_s = 0.0
        self._retained_heard = 0
        self._announcements: dict[str, bytes] = {}
        self._told: dict[str, paho.MQTTMessageInfo] = {}
        self._logged_s = float("-inf")
        client = address.client("fissura-operator")
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_subscribe = self._on_subscribe
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        self._client = client
        self._thread = threading.Thread(target=self._run, name="fleet-registry", daemon=True)

    def start(self) -> None:
        """Begin to connect, and go on for ever."""
        self._thread.start()
        self._address.open(self._client)

    def close(self) -> None:
        """Stop listening; what has come is stored first, and what was announced goes out."""
        for told in self._told.values():
            with suppress(RuntimeError, ValueError):  # not connected, and no room to wait
                told.wait_for_publish(FAREWELL_S)
        self._client.disconnect()
        self._client.loop_stop()
        self._closing.set()
        self._thread.join()

    @property
    def listening_since_s(self) -> float | None:
        """Since when everything that devices say is stored, UTC; None: it is not, or not all that was kept yet."""
        return self._since_s if self._subscribed else None

    def announce(self, announcement: Announcement) -> None:
        """Tell a channel's devices to look, now and whenever the broker comes back."""
        payload = announcement.model_dump_json().encode()
        self._announcements[announcement.channel] = payload
        if self._subscribed:
            self._publish_announcement(announcement.channel, payload)

    def wait_settled(self, timeout_s: float) -> bool:
        """Wait for `listening_since_s`; whether it came."""
        deadline = time.monotonic() + timeout_s
        while self.listening_since_s is None and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.listening_since_s is not None

    # Called by paho's thread.

    def _on_connect(self, client: paho.Client, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
        if code.is_failure:
            self.outage.begins(code)
            return
        client.subscribe([(topic, 1) for topic in SUBSCRIPTIONS])

    def _on_connect_fail(self, client: paho.Client, userdata: Any) -> None:
        self.outage.begins(sys.exc_info()[1])  # paho calls while it handles the error, and does not hand it over

    def _on_subscribe(
        self, client: paho.Client, userdata: Any, mid: int, codes: Sequence[Any], properties: Any
    ) -> None:
        if any(code.is_failure for code in codes):
            self._warn(f"broker {self._address} does not let us read {' '.join(SUBSCRIPTIONS)}")
            return
        self.outage.ends()
        self._newest_retained_s = time.monotonic()
        self._since_s = None
        self._subscribed = True
        for channel, payload in tuple(self._announcements.items()):
            self._publish_announcement(channel, payload)

    def _on_disconnect(self, client: paho.Client, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
        self._subscribed = False
        if not self._closing.is_set() and code.is_failure:
            self.outage.begins(f"the connection ended: {code}")

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        if message.retain:
            self._newest_retained_s = time.monotonic()
            self._retained_heard += 1
        try:
            topic = message.topic
        except UnicodeDecodeError:  # the broker should not have let it pass
            return
        self._queue.put(Delivery(topic, bytes(message.payload), message.retain))

    # In the registry's thread.

    def _run(self) -> None:
        retained_stored = 0
        while not self._closing.is_set() or not self._queue.empty():
            batch = self._take()
            self._store(batch)
            retained_stored += sum(delivery.retained for delivery in batch)
            quiet_s = time.monotonic() - self._newest_retained_s
            if self._subscribed and retained_stored == self._retained_heard and quiet_s > SETTLED_S:
                self._since_s = self._since_s or time.time()

    def _take(self) -> list[Delivery]:
        batch: list[Delivery] = []
        with suppress(Empty):
            batch.append(self._queue.get(timeout=IDLE_S))
            until = time.monotonic() + GATHER_S
            while len(batch) < BATCH and (rest_s := until - time.monotonic()) > 0:
                if self._queue.empty():
                    time.sleep(min(rest_s, GATHER_S / 5))
                batch.append(self._queue.get_nowait())
        return batch

    def _store(self, batch: Sequence[Delivery]) -> None:
        heard: list[Heard] = []
        events: defaultdict[str, list[UUID]] = defaultdict(list)
        for delivery in batch:
            if not delivery.payload:  # what clears a retained message
                continue
            message = read_report(delivery.topic, delivery.payload)
            if isinstance(message, str):
                self.refused += 1
                self._warn(f"left out {delivery.topic}: {message}")
                continue
            heard.append(Heard(message, delivery.retained))
            if isinstance(message, UpdateEvent):
                events[message.serial].append(message.uuid)
        if not heard:
            return
        while True:
            try:
                self._registry.store(heard)
                break
            except FleetError as error:  # a full disk: the devices keep what is not acknowledged, and the broker waits
                self._warn(str(error))
                if self._closing.wait(RETRY_S):
                    return
        self.stored += len(heard)
        for serial, uuids in events.items():
            for start in range(0, len(uuids), ACKNOWLEDGED_TOGETHER):
                together = Acknowledgement(events=tuple(uuids[start : start + ACKNOWLEDGED_TOGETHER]))
                self._client.publish(UPDATE_ACK.of(serial), together.model_dump_json(), qos=UPDATE_ACK.qos)

    def _publish_announcement(self, channel: str, payload: bytes) -> None:
        self._told[channel] = self._client.publish(announcement_topic(channel), payload, qos=1, retain=True)

    def _warn(self, text: str) -> None:
        if time.monotonic() - self._logged_s > LOG_PERIOD_S:
            self._logged_s = time.monotonic()
            logger.warning(text)
