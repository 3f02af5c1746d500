"""From a real broker into the store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from deploy.fleet.console.detections.crack_filter import CrackFilter
from deploy.fleet.console.detections.listener import MOST_UNACKNOWLEDGED, DetectionListener
from deploy.fleet.console.detections.sighting import Sighting
from deploy.fleet.console.detections.sqlite import SqliteStore
from deploy.fleet.rollout.broker import BrokerAddress
from edge_runtime.local_broker import LocalBroker
from fissura.errors import FleetError
from tests.deploy.fleet.console.sightings import detection
from tests.mosquitto import wait_until

Publish = Callable[[str, bytes], None]


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "detections.sqlite")


@pytest.fixture
def publish(broker: LocalBroker) -> Any:
    client = paho.Client(CallbackAPIVersion.VERSION2, "devices")
    client.max_queued_messages_set(0)
    client.reconnect_delay_set(0.1, 0.1)  # type: ignore[arg-type]
    client.connect("127.0.0.1", broker.port)
    client.loop_start()

    def send(topic: str, payload: bytes) -> None:
        client.publish(topic, payload, qos=1)

    yield send
    client.disconnect()
    client.loop_stop()


def start(store: Any, broker: LocalBroker) -> DetectionListener:
    listener = DetectionListener(store, BrokerAddress("127.0.0.1", broker.port), "console")
    listener.start()
    assert wait_until(lambda: listener.connected)
    return listener


def count(store: SqliteStore) -> int:
    return store.totals(CrackFilter()).cracks


def test_a_detection_is_stored_once_however_often_it_comes(
    store: SqliteStore, broker: LocalBroker, publish: Publish
) -> None:
    listener = start(store, broker)
    for number in (1, 2, 1, 1, 3, 2):
        publish("fissura/v1/truck-01/detection", detection("truck-01", number).to_json())
    assert wait_until(lambda: listener.stored + listener.repeated == 6)
    assert (listener.stored, count(store)) == (3, 3)
    first = next(store.rows(CrackFilter()))
    assert (first.serial, first.latitude_deg, first.longitude_deg) == ("truck-01", 52.5001, 13.4)
    assert (first.accuracy_m, first.heading_deg, first.max_width_mm, first.length_mm) == (1.5, 90.0, 2.0, None)
    listener.close()


def test_what_is_none_is_left_out_and_the_rest_comes_through(
    store: SqliteStore, broker: LocalBroker, publish: Publish
) -> None:
    listener = start(store, broker)
    topic = "fissura/v1/truck-01/detection"
    whole = detection("truck-01", 1).to_json()
    bad = [
        *(b"", b"{", b"null", b"[]", b"\xff\xfe", whole[:-20], b"[" * 10_000, whole.replace(b"0.9", b"NaN")),
        *(whole.replace(b"52.5001", b"91"), whole.replace(b"52.5001", b"1e999"), b"x" * 300_000),
        detection("truck-02", 5).to_json(),  # speaks for another device
        detection("../x", 6).to_json(),
        detection("truck-01", 7, mission_id="a\0b").to_json(),
        *(detection("truck-01", 9, seen_frames=frames).to_json() for frames in (2**31, 2**63 - 1)),
        *(whole.replace(b'"seen_frames":null', b'"seen_frames":%d' % frames) for frames in (2**63, 10**30)),
        whole.replace(b'"schema_version":"1', b'"schema_version":"9'),
    ]
    for payload in bad:
        publish(topic, payload)
    publish(topic, detection("truck-01", 8).to_json())
    assert wait_until(lambda: listener.stored == 1 and listener.refused == len(bad))
    assert [row.captured_s for row in store.rows(CrackFilter())] == [1_700_000_008.0]
    listener.close()


class _Picky:
    """A store that does not take one device's words, as a database might for a reason that nobody has thought of."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def add(self, rows: list[Sighting]) -> int:
        if any(row.serial == "truck-02" for row in rows):
            raise ValueError("no")
        return self._store.add(rows)


def test_what_the_store_never_takes_keeps_nobody_else_out(
    store: SqliteStore, broker: LocalBroker, publish: Publish
) -> None:
    start(store, broker).close()  # so that the broker keeps what comes, and sends it at once
    for number in range(30):
        serial = f"truck-{number % 3:02d}"
        publish(f"fissura/v1/{serial}/detection", detection(serial, number).to_json())
    listener = start(_Picky(store), broker)
    assert wait_until(lambda: (listener.stored, listener.refused) == (20, 10))
    listener.close()
    again = start(store, broker)
    publish("fissura/v1/truck-01/detection", detection("truck-01", 99).to_json())
    assert wait_until(lambda: again.stored == 1) and again.repeated == 0, "all were acknowledged"
    again.close()


def test_what_comes_while_the_console_is_down_waits(store: SqliteStore, broker: LocalBroker, publish: Publish) -> None:
    start(store, broker).close()
    for number in range(50):
        publish("fissura/v1/truck-01/detection", detection("truck-01", number).to_json())
    listener = start(store, broker)
    assert wait_until(lambda: count(store) == 50)
    listener.close()


class _FullDisk:
    """A store that refuses until it is told not to; counts what was asked of it."""

    def __init__(self, store: SqliteStore) -> None:
        self.is_full = True
        self.tries = 0
        self._store = store

    def add(self, rows: list[Sighting]) -> int:
        self.tries += 1
        if self.is_full:
            raise FleetError("disk full")
        return self._store.add(rows)


def test_a_full_disk_loses_nothing_and_takes_no_memory(
    store: SqliteStore, broker: LocalBroker, publish: Publish
) -> None:
    full = _FullDisk(store)
    listener = start(full, broker)
    wanted = MOST_UNACKNOWLEDGED + 200
    for number in range(wanted):
        publish("fissura/v1/truck-01/detection", detection("truck-01", number).to_json())
    assert wait_until(lambda: full.tries >= 2)
    assert listener._queue.qsize() <= MOST_UNACKNOWLEDGED and count(store) == 0
    assert listener.unstored_since_s is not None
    listener.close()  # as after a restart: nothing was acknowledged
    again = start(store, broker)
    assert wait_until(lambda: count(store) == wanted), count(store)
    assert again.unstored_since_s is None
    again.close()


def test_a_broker_that_comes_back_is_found_again(store: SqliteStore, broker: LocalBroker, publish: Publish) -> None:
    listener = start(store, broker)
    broker.kill()
    assert wait_until(lambda: not listener.connected)
    broker.start()
    assert wait_until(lambda: listener.connected)
    publish("fissura/v1/truck-01/detection", detection("truck-01", 1).to_json())
    assert wait_until(lambda: count(store) == 1)
    listener.close()
