"""What Home Assistant has to know to show this device without being configured: its MQTT discovery, one device."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from edge_runtime.mqtt.notices import Notice
from fissura import __version__
from fissura.topics import ANSWER, COMMAND, DETECTION, SNAPSHOT, STATUS, TELEMETRY

_PX, _MM = "px", "mm"


def birth_topic(prefix: str) -> str:
    """Where Home Assistant says 'online' when it starts."""
    return f"{prefix}/status"


def discovery(serial: str, prefix: str, *, commands: bool) -> Notice:
    """The device's retained description.

    Args:
        serial: of the device.
        prefix: below which Home Assistant looks; 'homeassistant' unless changed there.
        commands: whether the device takes them; without, there is nothing to operate.
    """
    components = _readings(serial) | (_controls(serial) if commands else {})
    payload = {
        "device": {"identifiers": [f"fissura_{serial}"], "name": f"fissura {serial}", "model": "fissura run"},
        "origin": {"name": "fissura", "sw_version": __version__},
        "availability_topic": STATUS.of(serial),
        "availability_template": "{{ 'online' if value_json.state == 'online' else 'offline' }}",
        "qos": 1,
        "components": {
            name: {"unique_id": f"fissura_{serial}_{name}", **component} for name, component in components.items()
        },
    }
    topic = f"{prefix}/device/fissura_{serial.replace('.', '_')}/config"  # its ids have no dots
    return Notice(topic, json.dumps(payload).encode(), str(uuid4()), retain=True)


def _readings(serial: str) -> dict[str, dict[str, Any]]:
    telemetry, detection = TELEMETRY.of(serial), DETECTION.of(serial)

    def sensor(name: str, topic: str, value: str, unit: str | None = None, **more: str) -> dict[str, Any]:
        described = {"platform": "sensor", "name": name, "state_topic": topic, "value_template": f"{{{{ {value} }}}}"}
        return described | ({} if unit is None else {"unit_of_measurement": unit}) | more

    measurement = {"state_class": "measurement"}
    crack = "value_json.crack"
    hottest = "value_json.temperatures_c.values() | max | round(1) if value_json.temperatures_c else None"
    return {
        "connected": {
            "platform": "binary_sensor",
            "name": "Connected",
            "device_class": "connectivity",
            "entity_category": "diagnostic",
            "state_topic": STATUS.of(serial),
            "value_template": "{{ 'ON' if value_json.state == 'online' else 'OFF' }}",
            # The device's own availability would hide what this is there to tell.
            "availability_topic": STATUS.of(serial),
            "availability_template": "online",
        },
        "frames_per_second": sensor(
            "Frame rate", telemetry, "value_json.frames_per_second | round(1)", "fps", **measurement
        ),
        "detections": sensor("Cracks seen", telemetry, "value_json.detections", state_class="total_increasing"),
        "frame_age": sensor(
            "Age of the last frame",
            telemetry,
            "value_json.frame_age_s | round(1) if value_json.frame_age_s is not none else None",
            "s",
            device_class="duration",
            **measurement,
        ),
        "spool_rows": sensor(
            "Unsent messages", telemetry, "value_json.spool_rows", entity_category="diagnostic", **measurement
        ),
        "temperature": sensor("Temperature", telemetry, hottest, "°C", device_class="temperature", **measurement),
        "crack_width_px": sensor("Width of the last crack", detection, f"{crack}.max_width_px | round(1)", _PX),
        "crack_length_px": sensor("Length of the last crack", detection, f"{crack}.length_px | round", _PX),
        "crack_width_mm": sensor(
            "Width of the last crack, in mm",
            detection,
            f"{crack}.max_width_mm | round(1) if {crack}.max_width_mm is not none else None",
            _MM,
            device_class="distance",
        ),
        "crack_length_mm": sensor(
            "Length of the last crack, in mm",
            detection,
            f"{crack}.length_mm | round if {crack}.length_mm is not none else None",
            _MM,
            device_class="distance",
        ),
    }


def _controls(serial: str) -> dict[str, dict[str, Any]]:
    command, answer = COMMAND.of(serial), ANSWER.of(serial)

    def say(name: str) -> str:
        return json.dumps({"name": name})

    return {
        "paused": {
            "platform": "switch",
            "name": "Pause",
            "command_topic": command,
            "payload_on": say("pause"),
            "payload_off": say("resume"),
            "state_topic": TELEMETRY.of(serial),
            "value_template": "{{ 'paused' if value_json.paused else 'running' }}",
            "state_on": "paused",
            "state_off": "running",
        },
        "threshold": {
            "platform": "number",
            "name": "Threshold",
            "command_topic": command,
            "command_template": '{"name": "threshold", "value": {{ value }}}',
            "state_topic": answer,
            # An answer without a state, to a command that could not be read, changes nothing.
            "value_template": "{{ value_json.state.threshold if value_json.state else this.state }}",
            "min": 0.01,
            "max": 0.99,
            "step": 0.01,
            "mode": "box",
            "entity_category": "config",
        },
        "take_snapshot": {
            "platform": "button",
            "name": "Take a snapshot",
            "command_topic": command,
            "payload_press": say("snapshot"),
        },
        "reload": {
            "platform": "button",
            "name": "Read the configuration again",
            "command_topic": command,
            "payload_press": say("reload"),
            "entity_category": "config",
        },
        "snapshot": {
            "platform": "image",
            "name": "Snapshot",
            "image_topic": SNAPSHOT.of(serial),
            "content_type": "image/jpeg",
        },
    }
