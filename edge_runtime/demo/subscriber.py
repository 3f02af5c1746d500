"""The demo's other end: a subscriber that prints each detection as it arrives."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import TracebackType

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from pydantic import ValidationError

from fissura.errors import BrokerError
from fissura.messages import Detection
from fissura.topics import DETECTION

CONNECT_TIMEOUT_S = 10.0


@dataclass
class Subscriber:
    """Receives a device's detections of one mission over MQTT 3.1.1, once each.

    Attributes:
        host, port: the broker.
        serial: the device.
        mission_id: the mission.
        received: detections by uuid, in order of arrival.
    """

    host: str
    port: int
    serial: str
    mission_id: str
    quiet: bool = False
    received: dict[str, Detection] = field(default_factory=dict)

    def __enter__(self) -> Subscriber:
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"{self.serial}-demo", protocol=mqtt.MQTTv311)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._on_message
        try:
            self._client.connect(self.host, self.port)
        except OSError as error:
            raise BrokerError(
                f"no MQTT broker at {self.host}:{self.port}: {error}",
                fix="check --broker, or leave it out to use the demo's own broker",
            ) from error
        self._client.loop_start()
        if not self._subscribed.wait(CONNECT_TIMEOUT_S):
            self._client.loop_stop()
            raise BrokerError(
                f"the broker at {self.host}:{self.port} took no subscription within {CONNECT_TIMEOUT_S:.0f} s",
                expected="a broker that admits clients without a password",
                fix="leave --broker out to use the demo's own broker",
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: mqtt.Client, *_: object) -> None:
        client.subscribe(DETECTION.of(self.serial), qos=DETECTION.qos)

    def _on_message(self, client: mqtt.Client, userdata: object, message: mqtt.MQTTMessage) -> None:
        try:
            detection = Detection.model_validate_json(message.payload)
        except ValidationError as error:
            print(f"{message.topic}: not a detection: {error.errors()[0]['msg']}", flush=True)
            return
        if detection.mission_id != self.mission_id or str(detection.uuid) in self.received:
            return
        self.received[str(detection.uuid)] = detection
        if not self.quiet:
            print(describe(detection), flush=True)


def describe(detection: Detection) -> str:
    """One line for the terminal."""
    crack = detection.crack
    size = f"length {crack.length_px:6.1f} px  width {crack.mean_width_px:4.1f} px (max {crack.max_width_px:4.1f})"
    if crack.length_mm is not None and crack.mean_width_mm is not None:
        size += f"  = {crack.length_mm:.0f} x {crack.mean_width_mm:.1f} mm"
    return (
        f"[{detection.mission_id}] {detection.frame.name or detection.frame.sequence}: crack at "
        f"({crack.bbox_px[0] + 0.5:.0f}, {crack.bbox_px[1] + 0.5:.0f})  {size}  confidence {detection.confidence:.2f}"
    )
