"""What Home Assistant is told, against the messages that really go out: no template may point at nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2
import pytest

from edge_runtime.local_broker import LocalBroker
from edge_runtime.mqtt.home_assistant import discovery
from edge_runtime.sinks import open_sink
from edge_runtime.sinks.sink import Sink, SinkContext
from fissura.messages import COMMAND_ADAPTER
from tests.edge_runtime.mqtt.operator import Operator
from tests.edge_runtime.mqtt.panel import Panel
from tests.edge_runtime.mqtt.test_commands import MODEL
from tests.edge_runtime.sinks.test_sinks import PROBABILITY, make_detection, make_frame
from tests.mosquitto import wait_until

CONFIG = "homeassistant/device/fissura_s1/config"
# What each platform cannot do without, and what else we use of what it knows.
REQUIRED = {
    "sensor": {"state_topic", "value_template"},
    "binary_sensor": {"state_topic", "value_template"},
    "switch": {"command_topic", "payload_on", "payload_off", "state_topic", "value_template", "state_on", "state_off"},
    "number": {"command_topic", "command_template", "state_topic", "value_template", "min", "max", "step"},
    "button": {"command_topic", "payload_press"},
    "image": {"image_topic", "content_type"},
}
COMMON = {"platform", "name", "unique_id", "device_class", "entity_category", "state_class", "unit_of_measurement"}
COMMON |= {"availability_topic", "availability_template", "mode"}


def _sink(folder: Path, broker: LocalBroker, query: str, panel: Panel | None) -> Sink:
    uri = f"mqtt://127.0.0.1:{broker.port}?spool={folder}/s.sqlite{query}"
    return open_sink(uri, SinkContext("s1", "m1", MODEL, control=panel))


def _render(template: str, message: Any, **more: Any) -> str:
    # Strict: what is missing raises, where Home Assistant would show nothing at all.
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined)
    return environment.from_string(template).render(value_json=message, **more)


def test_the_description_has_the_shape_that_home_assistant_reads() -> None:
    notice = discovery("s1", "homeassistant", commands=True)
    payload = json.loads(notice.payload)
    assert (notice.topic, notice.retain) == (CONFIG, True)
    assert payload["device"]["identifiers"] == ["fissura_s1"] and payload["origin"]["name"] == "fissura"
    ids = [component["unique_id"] for component in payload["components"].values()]
    assert len(set(ids)) == len(ids)
    for component in payload["components"].values():
        required = REQUIRED[component["platform"]]
        assert required <= component.keys() <= required | COMMON


def test_what_can_be_operated_sends_commands_that_are_understood() -> None:
    components = json.loads(discovery("s1", "homeassistant", commands=True).payload)["components"]
    texts = [
        text
        for component in components.values()
        for key, text in component.items()
        if key in ("payload_on", "payload_off", "payload_press")
    ]
    number = components["threshold"]
    texts += [_render(number["command_template"], None, value=value) for value in (number["min"], number["max"])]
    names = [COMMAND_ADAPTER.validate_json(text).name for text in texts]
    assert names == ["pause", "resume", "snapshot", "reload", "threshold", "threshold"]


def test_without_commands_there_is_nothing_to_operate() -> None:
    components = json.loads(discovery("s1", "homeassistant", commands=False).payload)["components"]
    assert {component["platform"] for component in components.values()} == {"sensor", "binary_sensor"}


def test_every_template_finds_its_value_in_the_messages_that_go_out(tmp_path: Path, broker: LocalBroker) -> None:
    operator = Operator(broker.port)
    sink = _sink(tmp_path, broker, "&discovery=homeassistant", Panel())
    frame = make_frame()
    sink.put(frame, [make_detection(frame)], PROBABILITY)
    assert wait_until(lambda: bool(operator.on(CONFIG) and operator.on("/detection") and operator.on("/telemetry")))
    assert wait_until(lambda: bool(operator.on("/answer")))  # says what is set, before anybody has asked
    payload = json.loads(operator.on(CONFIG)[0].payload)
    latest = {message.topic: message.payload for message in operator.messages}

    def value(component: dict[str, Any]) -> str:
        return _render(component["value_template"], json.loads(latest[component["state_topic"]]), this=None)

    values = {name: value(part) for name, part in payload["components"].items() if "value_template" in part}
    assert values["crack_width_px"] == "3.1" and values["crack_length_px"] == "20.0"
    assert values["crack_width_mm"] == "None"  # which a sensor shows as unknown
    assert values["connected"] == "ON" and values["paused"] == "running" and values["threshold"] == "0.4"
    assert float(values["frames_per_second"]) == 0 and int(values["detections"]) == 0
    assert int(values["spool_rows"]) >= 0
    assert values["temperature"] == "None" or -60 < float(values["temperature"]) < 150

    available = payload["availability_template"]
    sink.close()
    assert wait_until(lambda: json.loads(operator.on("/status")[-1].payload)["state"] == "offline")
    states = [_render(available, json.loads(message.payload)) for message in operator.on("/status")]
    assert states == ["online", "offline"]

    millimetres = json.loads(make_detection(frame, mm=True).to_json())
    widths = _render(payload["components"]["crack_width_mm"]["value_template"], millimetres)
    assert widths == "31.0"
    warm = {"temperatures_c": {"cpu": 61.26, "gpu": 58.0}}
    assert _render(payload["components"]["temperature"]["value_template"], warm) == "61.3"
    refused = {"state": None}
    answered = _render(payload["components"]["threshold"]["value_template"], refused, this={"state": "0.5"})
    assert answered == "0.5"
    operator.close()


def test_it_is_said_again_when_home_assistant_starts(tmp_path: Path, broker: LocalBroker) -> None:
    operator = Operator(broker.port)
    sink = _sink(tmp_path, broker, "&discovery=homeassistant&discovery_prefix=ha", Panel())
    assert wait_until(lambda: len(operator.on("ha/device/fissura_s1/config")) == 1)
    operator.publish("ha/status", b"offline")
    operator.publish("ha/status", b"online")
    assert wait_until(lambda: len(operator.on("ha/device/fissura_s1/config")) == 2)
    operator.publish("ha/status", b"online", retain=True)  # as some set it up
    assert wait_until(lambda: len(operator.on("ha/device/fissura_s1/config")) == 3)
    late = Operator(broker.port, client_id="late")
    assert wait_until(lambda: bool(late.on("ha/device/fissura_s1/config")))  # retained
    assert late.on("ha/device/fissura_s1/config")[0].retain
    late.close()
    sink.close()
    operator.close()


@pytest.mark.parametrize("query", ["", "&discovery_prefix=homeassistant"])
def test_it_is_off_unless_asked_for(tmp_path: Path, broker: LocalBroker, query: str) -> None:
    operator = Operator(broker.port)
    sink = _sink(tmp_path, broker, query, None)
    assert wait_until(lambda: bool(operator.on("/telemetry")))
    assert not operator.on("/config")
    sink.close()
    operator.close()
