"""Commands over a real mosquitto, through the sink, against a panel that remembers what it was told."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import cv2
import numpy as np
import pytest

from edge_runtime.local_broker import LocalBroker
from edge_runtime.mqtt.commands import MOST_WAITING, Commands
from edge_runtime.mqtt.events import Received
from edge_runtime.mqtt.notices import Notice
from edge_runtime.ratelimit import PERIOD_S
from edge_runtime.sinks import open_sink
from edge_runtime.sinks.sink import Sink, SinkContext
from fissura.messages import Answer, ModelStamp
from tests.edge_runtime.mqtt.operator import Operator
from tests.edge_runtime.mqtt.panel import Panel
from tests.edge_runtime.sinks.test_sinks import PROBABILITY, make_detection, make_frame
from tests.mosquitto import wait_until

MakeBroker = Callable[..., LocalBroker]
MODEL = ModelStamp(name="n", bundle_id="0" * 64, mode="fused", engine="e", threshold=0.4)


class Device:
    """A sink with a panel."""

    def __init__(self, folder: Path, broker: LocalBroker, query: str = "") -> None:
        self.panel = Panel()
        self.context = SinkContext("s1", "m1", MODEL, control=self.panel)
        uri = f"mqtt://127.0.0.1:{broker.port}?spool={folder}/s.sqlite{query}"
        self.sink: Sink = open_sink(uri, self.context)

    def wait_for(self, operator: Operator) -> None:
        """Until it takes commands."""
        assert wait_until(lambda: bool(operator.on("/status")))


@pytest.fixture(params=["5", "3.1.1"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def operator(broker: LocalBroker) -> Iterator[Operator]:
    operator = Operator(broker.port)
    yield operator
    operator.close()


@pytest.fixture
def device(tmp_path: Path, broker: LocalBroker, operator: Operator) -> Iterator[Device]:
    device = Device(tmp_path, broker)
    device.wait_for(operator)
    yield device
    device.sink.close()


def test_commands_of_either_version_are_carried_out_and_answered(
    tmp_path: Path, broker: LocalBroker, version: str
) -> None:
    operator = Operator(broker.port, v5=version == "5")
    device = Device(tmp_path, broker, f"&version={version}")
    device.wait_for(operator)
    answer = operator.ask({"name": "threshold", "value": 0.25, "correlation": "c-1"})
    assert Answer.model_validate(answer).ok
    assert (answer["command"], answer["correlation"]) == ("threshold", "c-1")
    assert answer["state"]["threshold"] == 0.25
    assert operator.ask({"name": "threshold", "value": None})["state"]["threshold"] == 0.4
    assert operator.ask({"name": "pause"})["state"]["paused"] is True
    assert operator.ask({"name": "resume"})["state"]["paused"] is False
    assert device.panel.calls == ["threshold", "threshold", "pause", "resume"]
    device.sink.close()
    assert device.sink.totals()["commands"] == 4
    operator.close()


def test_what_the_run_refuses_is_answered_with_the_reason(device: Device, operator: Operator) -> None:
    answer = operator.ask({"name": "budget", "milliseconds": 50})
    assert not answer["ok"]
    assert answer["error"] == {"found": "a budget in mode 'full'", "expected": "mode cascade", "fix": ""}
    assert answer["state"]["budget_ms"] is None
    assert operator.ask({"name": "reload"})["error"]["found"] == "there is no configuration file"
    assert "no camera 'rear'" in operator.ask({"name": "snapshot", "source": "rear"})["error"]["found"]


def test_the_answer_goes_where_it_is_wanted_with_the_correlation_data(device: Device, operator: Operator) -> None:
    operator.send({"name": "state"}, to="fissura/v1/desk/inbox", correlation=b"\x00\xff7")
    assert wait_until(lambda: bool(operator.on("/desk/inbox")))
    (message,) = operator.on("/desk/inbox")
    assert message.properties is not None
    assert message.properties.CorrelationData == b"\x00\xff7"
    assert dict(message.properties.UserProperty)["uuid"] == operator.answers("/desk/inbox")[0]["uuid"]
    assert not operator.answers()


@pytest.mark.parametrize(
    "topic",
    ["elsewhere/inbox", "fissura/v2/x", "fissura/v1", "fissura/v1/s1/command", "fissura/v1/other/status"],
)
def test_an_answer_is_not_sent_where_it_could_do_harm(device: Device, operator: Operator, topic: str) -> None:
    answer = operator.ask({"name": "pause"}, to=topic, correlation=b"c")
    assert not answer["ok"] and topic in answer["error"]["found"]
    assert operator.on("/answer")[-1].properties.CorrelationData == b"c"  # type: ignore[union-attr]
    assert not [message for message in operator.on(topic) if b'"ok"' in message.payload]
    assert device.panel.calls == []


def test_a_command_that_comes_twice_is_carried_out_once_and_answered_twice(device: Device, operator: Operator) -> None:
    command = {"name": "pause", "uuid": str(uuid4())}
    first, second = operator.ask(command), operator.ask(command)
    assert device.panel.calls == ["pause"]
    assert first["ok"] and second["ok"] and first["uuid"] != second["uuid"]
    assert first["command_uuid"] == second["command_uuid"] == command["uuid"]


def test_a_retained_command_is_refused(tmp_path: Path, broker: LocalBroker, operator: Operator) -> None:
    operator.send({"name": "pause"}, retain=True)
    assert wait_until(lambda: bool(operator.on("/command")))
    device = Device(tmp_path, broker)
    assert wait_until(lambda: bool(operator.answers()))
    assert "retained" in operator.answers()[0]["error"]["found"]
    operator.send(b"", retain=True)  # what clears it is no command, and needs no answer
    assert operator.ask({"name": "state"})["command"] == "state"
    assert device.panel.calls == []
    device.sink.close()


def test_a_command_with_the_retain_flag_is_refused_while_connected_too(device: Device, operator: Operator) -> None:
    operator.send({"name": "pause"}, retain=True)
    assert wait_until(lambda: bool(operator.answers()))
    assert "retained" in operator.answers()[0]["error"]["found"]
    operator.send(b"", retain=True)
    assert operator.ask({"name": "state"})["state"]["paused"] is False
    assert device.panel.calls == []


def test_an_oversized_command_is_refused_unread(device: Device, operator: Operator) -> None:
    answer = operator.ask(b'{"name": "pause", "correlation": "' + b"x" * 70_000 + b'"}')
    assert "65536" in answer["error"]["expected"]
    assert device.panel.calls == []


def test_a_slow_command_holds_neither_detections_nor_heartbeats_up(device: Device, operator: Operator) -> None:
    device.panel.open.clear()
    operator.send({"name": "pause"})
    beats = len(operator.on("/telemetry"))
    for n in range(5):
        frame = make_frame(n)
        device.sink.put(frame, [make_detection(frame)], PROBABILITY)
    assert wait_until(lambda: len(operator.on("/detection")) == 5)
    assert wait_until(lambda: len(operator.on("/telemetry")) >= beats + 2)
    assert not operator.answers()
    device.panel.open.set()
    assert wait_until(lambda: bool(operator.answers()))


def test_a_flood_is_answered_busy_and_one_line_tells_of_it(
    device: Device, operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    device.panel.open.clear()
    began_s = time.monotonic()
    with caplog.at_level(logging.WARNING):
        for _ in range(200):
            operator.send({"name": "pause"})
        assert wait_until(lambda: device.sink.totals()["commands_refused"] >= 150)
        assert wait_until(lambda: bool(operator.answers()))
        assert "busy" in operator.answers()[0]["error"]["found"]
    lines = [record for record in caplog.records if "remote command" in record.message]
    assert 1 <= len(lines) <= 1 + (time.monotonic() - began_s) / PERIOD_S
    device.panel.open.set()
    assert wait_until(lambda: 0 < len(device.panel.calls) <= 20)


def test_answers_find_room_beside_a_full_window(tmp_path: Path, make_broker: MakeBroker) -> None:
    broker = make_broker("allow_anonymous true", "max_inflight_messages 2")  # announced: two at a time
    operator = Operator(broker.port)
    device = Device(tmp_path, broker)
    device.wait_for(operator)
    frame = make_frame()
    for _ in range(100):
        device.sink.put(frame, [make_detection(frame) for _ in range(10)], PROBABILITY)
    before = len(operator.answers())
    operator.send({"name": "state"})
    assert wait_until(lambda: len(operator.answers()) > before)
    assert wait_until(lambda: len(operator.on("/detection")) == 1000, 40)
    device.sink.close()
    operator.close()


def test_a_snapshot_is_made_to_fit_and_the_answer_says_where_it_is(
    tmp_path: Path, broker: LocalBroker, operator: Operator
) -> None:
    device = Device(tmp_path, broker, "&max_payload_bytes=20000")
    device.wait_for(operator)
    answer = operator.ask({"name": "snapshot"})
    assert wait_until(lambda: bool(operator.on("/snapshot")))
    payload = operator.on("/snapshot")[0].payload
    assert len(payload) == answer["snapshot"]["size_bytes"] < 20_000
    assert answer["snapshot"]["topic"] == "fissura/v1/s1/snapshot"
    image = cv2.imdecode(np.frombuffer(payload, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    assert image.shape[:2] == (answer["snapshot"]["height_px"], answer["snapshot"]["width_px"])
    device.sink.close()


def test_a_snapshot_fits_into_the_packets_that_the_broker_takes(tmp_path: Path, make_broker: MakeBroker) -> None:
    broker = make_broker("allow_anonymous true", "max_packet_size 20000")
    operator = Operator(broker.port)
    device = Device(tmp_path, broker)
    device.wait_for(operator)
    answer = operator.ask({"name": "snapshot"})
    assert answer["ok"] and answer["snapshot"]["size_bytes"] < 20_000
    assert [len(picture.payload) for picture in operator.on("/snapshot")] == [answer["snapshot"]["size_bytes"]]
    device.sink.close()
    assert device.sink.totals()["connects"] == 1
    operator.close()


def test_a_snapshot_that_cannot_be_made_to_fit_is_answered_so(tmp_path: Path, make_broker: MakeBroker) -> None:
    broker = make_broker("allow_anonymous true", "max_packet_size 700")
    operator = Operator(broker.port)
    device = Device(tmp_path, broker)
    device.wait_for(operator)
    answer = operator.ask({"name": "snapshot"})
    assert not answer["ok"] and "does not fit" in answer["error"]["found"]
    assert "packet limit" in answer["error"]["fix"]
    device.sink.close()
    assert device.sink.totals()["connects"] == 1
    operator.close()


@pytest.mark.parametrize(
    ("version", "setting"), [("3.1.1", "max_packet_size 20000"), ("5", "message_size_limit 20000")]
)
def test_a_picture_that_the_broker_turns_out_not_to_take_is_answered_so_and_nothing_else_is_blamed(
    tmp_path: Path, make_broker: MakeBroker, version: str, setting: str, caplog: pytest.LogCaptureFixture
) -> None:
    broker = make_broker("allow_anonymous true", setting)  # in 3.1.1 it hangs up, in 5 it refuses; neither tells before
    operator = Operator(broker.port)
    device = Device(tmp_path, broker, f"&version={version}")
    device.wait_for(operator)
    answer = operator.ask({"name": "snapshot"})
    assert not answer["ok"] and answer["snapshot"] is None
    assert "did not take the picture" in answer["error"]["found"]
    assert operator.ask({"name": "pause"})["ok"]
    beats = len(operator.on("/telemetry"))
    assert wait_until(lambda: len(operator.on("/telemetry")) >= beats + 2)
    assert "share the serial" not in caplog.text
    device.sink.close()
    totals = device.sink.totals()
    assert (totals["refused"], totals["dead_letters"], totals["notices_dropped"]) == (0, 0, 1)
    assert totals["connects"] <= 3
    assert len(operator.answers()) == 2
    operator.close()


def _into(said: list[Notice]) -> Callable[..., bool]:
    def say(*notices: Notice) -> bool:
        said.extend(notices)
        return True

    return say


def test_an_answer_that_is_too_large_goes_without_the_state() -> None:
    said: list[Notice] = []
    panel = Panel()
    panel.sources = tuple(f"camera-{n}" for n in range(200))
    commands = Commands("s1", panel, _into(said), lambda: 2000)
    commands.start()
    commands.heard(Received("t", b'{"name": "pause"}', retained=False))
    assert wait_until(lambda: bool(said))
    answer = Answer.model_validate_json(said[0].payload)
    assert said[0].size_bytes <= 2000
    assert answer.ok and answer.state is None
    assert answer.error is not None and "2000" in answer.error.expected
    commands.close()


def test_commands_that_wait_are_dropped_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_runtime.mqtt.commands.CLOSE_TIMEOUT_S", 30)
    said: list[Notice] = []
    panel = Panel()
    panel.open.clear()
    commands = Commands("s1", panel, _into(said), lambda: 100_000)
    commands.start()
    pause = Received("t", b'{"name": "pause"}', retained=False)
    commands.heard(pause)
    assert wait_until(lambda: panel.held == 1)
    for _ in range(MOST_WAITING):  # as many as there is room for
        commands.heard(pause)
    closing = threading.Thread(target=commands.close)
    closing.start()
    assert wait_until(lambda: commands._closing)
    time.sleep(0.2)
    assert closing.is_alive()  # it waits for the one in hand
    panel.open.set()
    closing.join()
    commands.heard(pause)
    assert panel.calls == ["pause"]
    assert [Answer.model_validate_json(notice.payload).ok for notice in said] == [True]


def test_a_broker_that_lets_no_commands_through_is_reported_and_the_rest_flows(
    tmp_path: Path, make_broker: MakeBroker, caplog: pytest.LogCaptureFixture
) -> None:
    plugins = sorted(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"))
    if not plugins:  # mosquitto's ACL files let everybody subscribe, and then send nothing
        pytest.skip("mosquitto comes without its plugin dynamic_security")
    access = {"publishClientSend": True, "publishClientReceive": True, "subscribe": False, "unsubscribe": True}
    (tmp_path / "security.json").write_text(json.dumps({"defaultACLAccess": access}))
    broker = make_broker(
        "allow_anonymous true", f"plugin {plugins[0]}", f"plugin_opt_config_file {tmp_path}/security.json"
    )
    device = Device(tmp_path, broker)
    frame = make_frame()
    device.sink.put(frame, [make_detection(frame)], PROBABILITY)
    assert wait_until(lambda: device.sink.totals()["published"] == 1)
    assert wait_until(lambda: "does not let us read fissura/v1/s1/command: Not authorized" in caplog.text)
    device.sink.close()


def test_without_a_control_nothing_is_subscribed_to(tmp_path: Path, broker: LocalBroker, operator: Operator) -> None:
    sink = open_sink(f"mqtt://127.0.0.1:{broker.port}?spool={tmp_path}/s.sqlite", SinkContext("s1", "m1", MODEL))
    assert wait_until(lambda: bool(operator.on("/telemetry")))
    operator.send({"name": "state"})
    assert not wait_until(lambda: bool(operator.answers()), 1)
    sink.close()


def test_the_latency_from_capture_to_acknowledgement_is_recorded(device: Device, operator: Operator) -> None:

    frame = replace(make_frame(), captured_monotonic_ns=time.monotonic_ns() - 50_000_000)
    device.sink.put(frame, [make_detection(frame), make_detection(frame)], PROBABILITY)
    assert wait_until(lambda: len(device.context.times.all().get("capture_to_ack", [])) == 2)
    assert all(50 <= latency < 30_000 for latency in device.context.times.all()["capture_to_ack"])
