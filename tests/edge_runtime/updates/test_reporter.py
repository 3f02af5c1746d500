"""The device's conversation with the operator, over a real broker."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from edge_runtime.local_broker import LocalBroker
from edge_runtime.updates import resending
from edge_runtime.updates.hints import Hints
from edge_runtime.updates.letters import LARGEST_BYTES
from edge_runtime.updates.outbox import Outbox
from edge_runtime.updates.ports import Report, Standing
from edge_runtime.updates.reporter import ReportConfig, Reporter
from fissura.errors import ConfigError
from fissura.topics import UPDATE_ACK, UPDATE_COMMAND, announcement_topic
from fissura.update_messages import Acknowledgement, Announcement, UpdateEvent, UpdateState
from tests.mosquitto import Subscriber, wait_until

SERIAL = "truck-07"
NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=timezone.utc)
COMMITTED = Standing("committed", "crack", 7, None, active=7, previous=6)


class Device:
    """A reporter and what belongs to it."""

    def __init__(self, folder: Path, port: int, hint_s: float = 0.2) -> None:
        self.hints = Hints(hint_s)
        self.outbox = Outbox(folder / "outbox.sqlite")
        self.reporter = Reporter(
            ReportConfig(broker=f"mqtt://127.0.0.1:{port}"),
            serial=SERIAL,
            channel="stable",
            hardware="jetson-orin-nx",
            outbox=self.outbox,
            hints=self.hints,
        )
        self.reporter.start()

    def hinted(self, timeout_s: float) -> bool:
        return self.hints.wait(threading.Event(), timeout_s)

    def close(self) -> None:
        self.reporter.close()
        self.outbox.close()


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Device]]:
    monkeypatch.setattr(resending, "FIRST_S", 0.3)
    monkeypatch.setattr("edge_runtime.updates.reporter.HURRY_S", 0.3)
    monkeypatch.setattr("edge_runtime.updates.reporter.LONGEST_RETRY_S", 0.5)
    with ExitStack() as stack:

        def make(broker: LocalBroker, **options: float) -> Device:
            device = Device(tmp_path, broker.port, **options)
            stack.callback(device.close)
            return device

        yield make


@pytest.fixture
def listen(broker: LocalBroker) -> Iterator[Callable[[], Subscriber]]:
    with ExitStack() as stack:

        def make() -> Subscriber:
            subscriber = Subscriber(broker.port, f"fissura/v1/{SERIAL}/#", client_id="operator")
            stack.callback(subscriber.close)
            return subscriber

        yield make


def publish(broker: LocalBroker, topic: str, payload: bytes | str, *, retain: bool = False) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def acknowledge(broker: LocalBroker, *events: UpdateEvent) -> None:
    answer = Acknowledgement(events=tuple(event.uuid for event in events))
    publish(broker, UPDATE_ACK.of(SERIAL), answer.model_dump_json())


def events(subscriber: Subscriber) -> list[UpdateEvent]:
    return [UpdateEvent.model_validate(message) for message in subscriber.of("update/event")]


def states(subscriber: Subscriber) -> list[UpdateState]:
    return [UpdateState.model_validate(message) for message in subscriber.of("update/state")]


def test_it_is_what_the_machine_reports_to(broker: LocalBroker, start: Callable[..., Device]) -> None:
    port: Report = start(broker).reporter
    assert port is not None


def test_a_state_is_told_and_kept(
    broker: LocalBroker, start: Callable[..., Device], listen: Callable[[], Subscriber]
) -> None:
    device = start(broker)
    device.reporter.state(COMMITTED, 12)
    assert wait_until(lambda: device.reporter.connected)
    time.sleep(0.5)
    late = listen()  # hears what the broker has kept
    assert wait_until(lambda: bool(states(late)))
    state = states(late)[-1]
    assert (state.phase, state.active, state.previous, state.release) == ("committed", 7, 6, 7)
    assert (state.channel, state.hardware, state.serial) == ("stable", "jetson-orin-nx", SERIAL)
    assert wait_until(lambda: any(message["online"] is True for message in late.of("update/online")[-1:]))


def test_states_come_at_most_once_a_second_and_the_newest_wins(
    broker: LocalBroker, start: Callable[..., Device], listen: Callable[[], Subscriber]
) -> None:
    subscriber, device = listen(), start(broker)
    began = time.monotonic()
    for number in range(1, 200):
        device.reporter.state(Standing("download", "crack", number), number)
        time.sleep(0.005)
    assert wait_until(lambda: bool(states(subscriber)) and states(subscriber)[-1].release == 199)
    assert len(states(subscriber)) <= 2 + time.monotonic() - began
    numbers = [state.sequence for state in states(subscriber)]
    assert numbers == sorted(set(numbers))


def test_an_event_is_sent_until_the_operator_has_it(
    broker: LocalBroker,
    start: Callable[..., Device],
    listen: Callable[[], Subscriber],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resending, "LONGEST_S", 0.3)  # one that goes on being sent is never silent for long
    subscriber, device = listen(), start(broker)
    device.reporter.event(COMMITTED, 12, NOW, {"p99_ms": 21.5, "broken": float("nan")})
    assert wait_until(lambda: len(events(subscriber)) >= 3)
    assert {event.uuid for event in events(subscriber)} == {events(subscriber)[0].uuid}
    assert events(subscriber)[0].figures == {"p99_ms": 21.5}
    acknowledge(broker, events(subscriber)[0])
    assert wait_until(lambda: not device.outbox.events())

    def silent() -> bool:
        heard = len(events(subscriber))
        time.sleep(1.5)
        return len(events(subscriber)) == heard

    assert wait_until(silent)  # some may have been on their way


def test_no_event_is_lost_by_restarts_without_a_broker(
    broker: LocalBroker, start: Callable[..., Device], listen: Callable[[], Subscriber]
) -> None:
    subscriber = listen()
    broker.kill()
    for number in range(3):  # three processes, none of which ever reaches the broker
        device = start(broker)
        for step in range(10):
            device.reporter.event(Standing("rejected", "crack", number * 10 + step, "golden: 0.1"), step, NOW, {})
        device.reporter.state(Standing("rejected", "crack", number), number)
        device.close()
    # Same numbers, same moments: another process that tells a step again tells the same event.
    waiting = Outbox(device.outbox._path)
    assert len(waiting.events()) == 10
    waiting.close()
    broker.start()
    device = start(broker)
    assert wait_until(lambda: len({event.uuid for event in events(subscriber)}) == 10)
    assert wait_until(lambda: bool(states(subscriber)) and states(subscriber)[-1].release == 2)


def test_a_broker_that_forgot_everything_is_told_again(
    broker: LocalBroker, start: Callable[..., Device], listen: Callable[[], Subscriber]
) -> None:
    device = start(broker)
    device.reporter.state(COMMITTED, 1)
    device.reporter.event(COMMITTED, 1, NOW, {})
    assert wait_until(lambda: device.reporter.connected)
    broker.kill()
    assert wait_until(lambda: not device.reporter.connected)
    broker.start()
    late = listen()
    assert wait_until(lambda: bool(states(late)) and bool(events(late)) and bool(late.of("update/online")))
    assert states(late)[-1].active == 7


def test_the_broker_says_that_a_device_is_gone(broker: LocalBroker, listen: Callable[[], Subscriber]) -> None:
    """By the last will, when the process is killed; by itself, when it ends."""
    subscriber = listen()
    program = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path.cwd())!r})
from tests.edge_runtime.updates.test_reporter import Device
import tempfile
device = Device(Path(tempfile.mkdtemp()), {broker.port})
input()
device.close()
"""
    for end in ("kill", "close"):
        heard = len(subscriber.of("update/online"))
        process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, text=True)
        assert process.stdin is not None
        assert wait_until(lambda n=heard: len(subscriber.of("update/online")) == n + 1)  # type: ignore[misc]
        if end == "kill":
            process.kill()
        else:
            process.communicate("\n")
        process.wait()
        assert wait_until(lambda n=heard: len(subscriber.of("update/online")) == n + 2)  # type: ignore[misc]
        assert [message["online"] for message in subscriber.of("update/online")[-2:]] == [True, False]


def test_an_announcement_brings_about_a_look(broker: LocalBroker, start: Callable[..., Device]) -> None:
    announcement = Announcement(channel="stable", release=8, window_s=0.1)
    publish(broker, announcement_topic("stable"), announcement.model_dump_json(), retain=True)
    device = start(broker)  # hears it although it was published before
    assert device.hinted(20)
    publish(broker, UPDATE_COMMAND.of(SERIAL), '{"name": "check"}')
    assert device.hinted(20)


def test_another_channel_and_another_device_are_none_of_ours(broker: LocalBroker, start: Callable[..., Device]) -> None:
    device = start(broker)
    assert wait_until(lambda: device.reporter.connected)
    publish(broker, announcement_topic("beta"), Announcement(channel="beta", window_s=0).model_dump_json())
    publish(broker, UPDATE_COMMAND.of("truck-08"), '{"name": "check"}')
    publish(broker, announcement_topic("stable"), Announcement(channel="beta", window_s=0).model_dump_json())
    assert not device.hinted(1.0)


NONSENSE = [
    b"",
    b"\xff\xfe",
    b"null",
    b"[" * 50_000,
    b'{"name": "reboot"}',
    b'{"name": "check", "schema_version": "2.0"}',
    b'{"channel": "stable", "window_s": -1}',
    b'{"channel": "stable", "window_s": 1e400}',
    b'{"channel": "stable", "release": ' + b"9" * 20_000 + b"}",
    b'{"events": ["not-a-uuid"]}',
    b'{"events": ' + json.dumps(["00000000-0000-0000-0000-000000000000"] * 1600).encode() + b"}",
    b"x" * (LARGEST_BYTES + 1),
    b'{"name": "check", "x": "' + b"x" * 200_000 + b'"}',
]


def test_nonsense_floods_and_repetitions_bring_about_no_more_than_one_look(
    broker: LocalBroker, start: Callable[..., Device], listen: Callable[[], Subscriber]
) -> None:
    device = start(broker, hint_s=30.0)
    device.reporter.event(COMMITTED, 1, NOW, {})
    assert wait_until(lambda: device.reporter.connected)
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(0)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    last = None
    for topic in (announcement_topic("stable"), UPDATE_COMMAND.of(SERIAL), UPDATE_ACK.of(SERIAL)):
        for payload in NONSENSE:
            last = client.publish(topic, payload, qos=1)
    assert last is not None
    last.wait_for_publish(20)
    assert wait_until(lambda: device.reporter._letters.refused == 3 * (len(NONSENSE) - 1))  # but for the empty one
    assert not device.hinted(0.5)  # no look at all so far
    hint = Announcement(channel="stable", window_s=0).model_dump_json()
    for _ in range(1000):
        last = client.publish(announcement_topic("stable"), hint, qos=1)
    last.wait_for_publish(20)
    client.disconnect()
    client.loop_stop()
    looks = sum(device.hinted(0.5) for _ in range(4))
    assert looks <= 1
    assert len(device.outbox.events()) == 1  # acknowledged by nobody
    subscriber = listen()
    assert device.reporter.connected
    assert wait_until(lambda: bool(events(subscriber)))  # it still speaks


def test_a_full_disk_keeps_reports_in_memory_until_there_is_room(
    broker: LocalBroker,
    start: Callable[..., Device],
    listen: Callable[[], Subscriber],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge_runtime.updates.reporter.DISK_RETRY_S", 0.1)
    subscriber, device = listen(), start(broker)
    assert wait_until(lambda: device.reporter.connected)
    device.outbox._connection.execute("PRAGMA max_page_count = 1")
    for number in range(30):
        reason = "golden: " + "x" * 1500
        device.reporter.event(Standing("rejected", "crack", number, reason), number, NOW, {})
    device.reporter.state(COMMITTED, 31)
    assert len(device.outbox.events()) < 30
    device.outbox._connection.execute("PRAGMA max_page_count = 100000")
    assert wait_until(lambda: {event.release for event in events(subscriber)} == set(range(30)))
    assert wait_until(lambda: bool(states(subscriber)) and states(subscriber)[-1].phase == "committed")


def test_a_report_that_cannot_be_made_does_not_stop_the_machine(
    broker: LocalBroker, start: Callable[..., Device], listen: Callable[[], Subscriber]
) -> None:
    subscriber, device = listen(), start(broker)
    device.reporter.event(COMMITTED, 1, datetime(2026, 5, 4), {})  # a time without a zone
    device.reporter.event(COMMITTED, 2, NOW, {"p99_ms": "fast"})  # type: ignore[dict-item]
    device.reporter.event(COMMITTED, 3, NOW, {"p99_ms": 3.0})
    assert wait_until(lambda: bool(events(subscriber)))
    assert {event.figures["p99_ms"] for event in events(subscriber)} == {3.0}


def test_a_wrong_address_is_an_error_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="password"):
        Reporter(
            ReportConfig(broker="mqtt://me:secret@host"),
            serial=SERIAL,
            channel="stable",
            hardware="x",
            outbox=Outbox(tmp_path / "outbox.sqlite"),
            hints=Hints(1.0),
        )
