"""The operator's ear on a real broker."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from deploy.fleet.registry.registry import Registry
from deploy.fleet.rollout.broker import BrokerAddress, announce_once, read_broker
from deploy.fleet.rollout.listener import ACKNOWLEDGED_TOGETHER, Listener
from deploy.fleet.rollout.read_report import LARGEST_BYTES, read_report
from edge_runtime.local_broker import LocalBroker
from edge_runtime.updates import resending
from edge_runtime.updates.hints import Hints
from edge_runtime.updates.outbox import Outbox
from edge_runtime.updates.ports import Standing
from edge_runtime.updates.reporter import ReportConfig, Reporter
from fissura.errors import FleetError
from fissura.topics import UPDATE_EVENT, UPDATE_STATE, announcement_topic
from fissura.update_messages import Acknowledgement, Announcement
from tests.deploy.fleet.rollout.fleet_fakes import event, serials, state
from tests.edge_runtime.updates.test_reporter import NOW
from tests.mosquitto import Subscriber, wait_until

Listen = Callable[[], Listener]


@pytest.fixture(autouse=True)
def quickly_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.fleet.rollout.listener.SETTLED_S", 0.5)


@pytest.fixture
def listen(broker: LocalBroker, registry: Registry) -> Iterator[Listen]:
    with ExitStack() as stack:

        def make() -> Listener:
            listener = Listener(registry, BrokerAddress("127.0.0.1", broker.port))
            stack.callback(listener.close)
            listener.start()
            return listener

        yield make


@pytest.fixture
def say(broker: LocalBroker) -> Iterator[Callable[..., None]]:
    """Publishes whatever it is given, as whoever."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()

    def publish(topic: str, payload: bytes, *, retain: bool = False) -> None:
        client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(20)

    yield publish
    client.disconnect()
    client.loop_stop()


def test_events_are_stored_and_then_acknowledged(
    broker: LocalBroker, registry: Registry, listen: Listen, say: Callable[..., None]
) -> None:
    devices = Subscriber(broker.port, "fissura/v1/+/update/ack", client_id="devices")
    assert listen().wait_settled(20)
    told = [event(name, "committed", 7, number) for number, name in enumerate(serials(5) * 3)]
    for one in [*told, *told[:4]]:
        say(UPDATE_EVENT.of(one.serial), one.to_json())

    def acknowledged() -> set[str]:
        return {uuid for _, message in devices.messages for uuid in message["events"]}

    assert wait_until(lambda: acknowledged() == {str(one.uuid) for one in told})
    assert len(registry.events()) == len(told)
    for topic, message in devices.messages:
        mine = {str(one.uuid) for one in told if one.serial == topic.split("/")[2]}
        assert set(message["events"]) <= mine
    devices.close()


def test_nothing_is_acknowledged_that_was_not_stored(
    broker: LocalBroker, registry: Registry, listen: Listen, say: Callable[..., None]
) -> None:
    devices = Subscriber(broker.port, "fissura/v1/+/update/ack", client_id="devices")
    assert listen().wait_settled(20)
    registry._connection.execute("PRAGMA max_page_count = 1")  # as a full disk
    told = [event(name, "committed", 7, 1) for name in serials(40)]
    for one in told:
        say(UPDATE_EVENT.of(one.serial), one.to_json())
    time.sleep(1.0)
    acknowledged = {uuid for _, message in list(devices.messages) for uuid in message["events"]}  # before the stored
    stored = {one.uuid for one in registry.events(limit=1000)}
    assert acknowledged <= stored
    assert len(stored) < len(told)
    registry._connection.execute("PRAGMA max_page_count = 1000000")
    assert wait_until(lambda: len(registry.events(limit=1000)) == len(told))
    assert wait_until(lambda: sum(len(message["events"]) for _, message in devices.messages) == len(told))
    devices.close()


NONSENSE = [
    (UPDATE_STATE.of("a"), b"\xff\xfe"),
    (UPDATE_STATE.of("a"), b"[" * 60_000),
    (UPDATE_STATE.of("a"), b"x" * (LARGEST_BYTES + 1)),
    (UPDATE_STATE.of("a"), state("b", "committed", 7, 1, active=7).to_json()),  # speaks for another
    (UPDATE_STATE.of("a"), state("a", "committed", 7, 2**70, active=7).model_dump_json().encode()),
    (UPDATE_STATE.of("a"), state("a", "committed", 7, 2**62, active=7).to_json()),  # would silence it for ever
    (UPDATE_STATE.of("a"), state("a", "committed", 7, 1, active=2**80).model_dump_json().encode()),
    ("fissura/v1/fleet/update/state", state("fleet", "committed", 7, 1).to_json()),
    ("fissura/v1/a b/update/event", event("a b", "committed", 7, 1).to_json()),
    ("fissura/v1/" + "x" * 60 + "/update/event", event("x" * 60, "committed", 7, 1).to_json()),
    (
        UPDATE_EVENT.of("a"),
        json.dumps(
            {**json.loads(event("a", "committed", 7, 1).to_json()), "happened_utc": "0001-01-01T00:00:00+14:00"}
        ).encode(),
    ),
    (UPDATE_EVENT.of("a"), event("a", "committed", 7, 1).to_json().replace(b'"1.', b'"2.', 1)),
]


def test_nonsense_is_left_out_and_the_rest_goes_on(
    registry: Registry, listen: Listen, say: Callable[..., None]
) -> None:
    listener = listen()
    assert listener.wait_settled(20)
    for topic, payload in NONSENSE:
        assert isinstance(read_report(topic, payload), str), (topic, payload[:80])
        say(topic, payload, retain=True)
    good = state("a", "committed", 7, 5, active=7)
    say(UPDATE_STATE.of("a"), good.to_json())
    assert wait_until(lambda: registry.device("a") is not None)
    assert [device.serial for device in registry.devices()] == ["a"]
    assert registry.events() == []
    assert listener.refused == len(NONSENSE)


def test_a_lost_registry_is_filled_from_what_the_broker_has_kept(
    tmp_path: Path, broker: LocalBroker, say: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.fleet.rollout.listener.SETTLED_S", 3.0)  # a busy broker may pause among so many
    names = serials(200)
    for number, name in enumerate(names):
        say(UPDATE_STATE.of(name), state(name, "committed", 7, number, active=7).to_json(), retain=True)
    views = []
    for file in ("one", "two"):
        with Registry(tmp_path / file) as registry:
            listener = Listener(registry, BrokerAddress("127.0.0.1", broker.port))
            listener.start()
            assert listener.wait_settled(30)
            views.append([replace(device, seen_s=0.0) for device in registry.devices()])
            listener.close()
    assert len(views[0]) == 200
    assert views[0] == views[1]


def test_it_knows_that_it_hears_everything_although_devices_never_stop(
    broker: LocalBroker, listen: Listen, say: Callable[..., None]
) -> None:
    name, stop = "truck-00000", threading.Event()

    def chatter() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            say(UPDATE_STATE.of(name), state(name, "download", 7, number).to_json())

    thread = threading.Thread(target=chatter)
    thread.start()
    assert listen().wait_settled(30)
    stop.set()
    thread.join()


@pytest.mark.slow
def test_announcements_come_back_with_the_broker(broker: LocalBroker, listen: Listen) -> None:
    listener = listen()
    assert listener.wait_settled(20)
    listener.announce(Announcement(channel="stable", release=7))
    broker.kill()  # and with it what it had kept
    assert wait_until(lambda: listener.listening_since_s is None)
    broker.start()
    device = Subscriber(broker.port, announcement_topic("stable"), client_id="device")
    assert wait_until(lambda: any(message["release"] == 7 for _, message in device.messages))
    assert listener.wait_settled(30)
    device.close()


def test_one_announcement_without_a_listener(broker: LocalBroker) -> None:
    address = BrokerAddress("127.0.0.1", broker.port)
    assert announce_once(address, Announcement(channel="stable", release=8))
    device = Subscriber(broker.port, announcement_topic("stable"), client_id="device")
    assert wait_until(lambda: [message["release"] for _, message in device.messages] == [8])
    device.close()


@pytest.mark.slow
def test_a_broker_that_cannot_be_reached_is_not_waited_for_long(broker: LocalBroker) -> None:
    broker.kill()
    began = time.monotonic()
    assert not announce_once(BrokerAddress("127.0.0.1", broker.port), Announcement(channel="stable"))
    assert time.monotonic() - began < 60


def test_no_end_is_lost_while_the_operator_is_down_and_the_broker_dies(
    tmp_path: Path,
    broker: LocalBroker,
    registry: Registry,
    listen: Listen,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Real reporters: the operator is away for all of it, and the broker forgets everything in between."""
    monkeypatch.setattr(resending, "FIRST_S", 0.3)
    monkeypatch.setattr("edge_runtime.updates.reporter.LONGEST_RETRY_S", 0.5)
    names = serials(8)
    with ExitStack() as stack:
        reporters = []
        for name in names:
            outbox = Outbox(tmp_path / f"{name}.sqlite")
            stack.callback(outbox.close)
            reporter = Reporter(
                ReportConfig(broker=f"mqtt://127.0.0.1:{broker.port}"),
                serial=name,
                channel="stable",
                hardware="x86_64",
                outbox=outbox,
                hints=Hints(60),
            )
            reporter.start()
            stack.callback(reporter.close)
            reporters.append((reporter, outbox))
        for number, phase in enumerate(("rejected", "committed"), start=1):
            for reporter, _ in reporters:
                standing = Standing(phase, "crack", 6 + number, active=6)  # type: ignore[arg-type]
                reporter.event(standing, number, NOW, {})
                reporter.state(standing, number)
            assert wait_until(lambda: all(reporter.connected for reporter, _ in reporters))
            time.sleep(0.5)
            broker.kill()
            assert wait_until(lambda: not any(reporter.connected for reporter, _ in reporters))
            broker.start()
        assert all(len(outbox.events()) == 2 for _, outbox in reporters)  # a broker's PUBACK proves nothing
        listen()
        assert wait_until(lambda: not any(outbox.events() for _, outbox in reporters), 60)
        assert registry.ends("crack", 7) == dict.fromkeys(names, ("rejected", None))
        assert registry.ends("crack", 8) == dict.fromkeys(names, ("committed", None))
        assert wait_until(lambda: {device.release for device in registry.devices()} == {8})
        assert wait_until(lambda: all(device.online for device in registry.devices()))


@pytest.mark.parametrize(
    "uri", ["http://host", "mqtt://", "mqtt://host:port", "mqtt://me@host", "mqtt://host/x", "mqtts://[::1", "host"]
)
def test_addresses_that_are_none(uri: str) -> None:
    with pytest.raises(FleetError, match="not understood"):
        read_broker(uri, None)


def test_credentials_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="cannot be used"):
        read_broker("mqtts://host", tmp_path)
    with pytest.raises(FleetError, match="unencrypted"):
        read_broker("mqtt://host", tmp_path)
    assert str(read_broker("mqtts://host", None)) == "mqtts://host:8883"


def test_an_acknowledgement_holds_what_a_batch_may_bring() -> None:
    together = tuple(event("a", "committed", 7, number).uuid for number in range(ACKNOWLEDGED_TOGETHER))
    assert len(Acknowledgement(events=together).model_dump_json()) < 65_536
