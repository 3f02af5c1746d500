"""`mqtt://HOST[:PORT]` and `mqtts://...`: detections through the spool to an MQTT broker."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import ClassVar, Literal, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edge_runtime.frame import Frame
from edge_runtime.health.outbox import Outbox
from edge_runtime.health.telemetry import TelemetryWriter
from edge_runtime.mqtt.commands import Commands
from edge_runtime.mqtt.endpoint import MqttConfig, read_endpoint
from edge_runtime.mqtt.events import Received
from edge_runtime.mqtt.home_assistant import birth_topic, discovery
from edge_runtime.mqtt.latency import CaptureToAck
from edge_runtime.mqtt.notices import Notice
from edge_runtime.mqtt.outgoing import Outgoing
from edge_runtime.mqtt.sender import Ear, Sender, Voice
from edge_runtime.plugins import Address
from edge_runtime.ratelimit import RateLimitedLog
from edge_runtime.sinks.sink import Deadline, Sink, SinkContext
from edge_runtime.spool import Spool, SpoolLimits, SpoolStats
from edge_runtime.spool_row import Message
from fissura import __version__
from fissura.config import Config
from fissura.errors import FissuraError, SpoolError
from fissura.messages import Detection, Status
from fissura.polygon import Polygon
from fissura.topics import COMMAND, DETECTION, STATUS, check_serial

logger = logging.getLogger(__name__)

FLUSH_POLL_S = 0.02


class MqttSinkConfig(MqttConfig):
    """Options of the sink: the broker's, and the spool's."""

    spool: Path | None = Field(None, description="the message store; null: in the user's state folder, by serial")
    spool_mb: float = Field(256, gt=0, description="bound of the message store, 10^6 bytes")
    spool_days: float = Field(30, gt=0, description="age at which a message is dropped")
    max_payload_bytes: int = Field(
        131072,
        ge=4096,
        description="a larger detection goes without its outline, a larger snapshot at a lower quality; a common limit "
        "of brokers",
    )
    discovery: Literal["homeassistant"] | None = Field(
        None, description="describe the device on the broker, so that Home Assistant shows it by itself"
    )
    discovery_prefix: str = Field(
        "homeassistant", pattern=r"^[^+#\x00]{1,128}$", description="topic below which Home Assistant looks"
    )


class MqttSink(Sink):
    """Puts each frame's detections into the spool in one transaction; a thread of its own sends them."""

    config_class: ClassVar[type[Config]] = MqttSinkConfig
    stage: ClassVar[str] = "spool"
    takes: ClassVar[Literal["seen", "told"]] = "told"

    def __init__(self, address: Address, config: MqttSinkConfig, context: SinkContext) -> None:
        endpoint = read_endpoint(address.uri.partition("?")[0], config)
        if endpoint.password and endpoint.tls is None and endpoint.host not in ("localhost", "127.0.0.1", "::1"):
            logger.warning("the password goes to %s unencrypted: use mqtts:// where the broker offers it", endpoint)
        self._context = context
        self._topic = DETECTION.of(context.serial)
        self._limit_bytes = config.max_payload_bytes
        self._log = RateLimitedLog(logger)
        self._spooled = 0
        self._closed: SpoolStats | None = None
        self._spool = _open_spool(
            config.spool or default_spool(context.serial),
            SpoolLimits(max_bytes=int(config.spool_mb * 1e6), max_age_s=config.spool_days * 86400),
        )
        waiting = self._spool.stats().rows
        if waiting:
            logger.info("%d messages of an earlier run wait in %s", waiting, self._spool.path)
        self._discovery_prefix = config.discovery_prefix if config.discovery else None
        self._latency = CaptureToAck(context.times)
        self._commands: Commands | None = None
        topics: dict[str, bool] = {}
        if context.control is not None:
            self._commands = Commands(context.serial, context.control, self._say, self._packet_bytes)
            topics[COMMAND.of(context.serial)] = True
        if self._discovery_prefix is not None:
            # Its flag as published would not tell a birth that is kept from one that is old.
            topics[birth_topic(self._discovery_prefix)] = False
        self._sender = Sender(
            endpoint,
            self._spool,
            Voice(context.serial, self._status, TelemetryWriter(context)),
            context.fail,
            Outgoing(self._spool, self._latency.delivered),
            Ear(topics, self._heard, self._greeting),
        )
        context.on_model.append(self._model_changed)
        self.outbox = Outbox(
            self._spool.path, lambda: self._closed or self._spool.stats(), lambda: self._sender.connected
        )
        if self._commands is not None:
            self._commands.start()
        self._sender.start()

    def put(self, frame: Frame, detections: Sequence[Detection], probability: NDArray[np.float32]) -> None:
        self._sender.resume()
        if not detections:
            return
        messages = [self._message(detection) for detection in detections]
        of_this_frame = (
            message.uuid
            for message, detection in zip(messages, detections, strict=True)
            if detection.phase != "end"  # which is of an earlier one, and may come long after the last
        )
        self._latency.captured(of_this_frame, frame.captured_monotonic_ns)
        self._spool.put(messages)
        self._spooled += len(detections)
        self._sender.wake()

    def flush(self, deadline: Deadline) -> None:
        self._sender.last_heartbeat()
        while self._sender.alive and deadline.remaining_s() > 0 and not self._spool.empty():
            time.sleep(FLUSH_POLL_S)

    def close(self, error: FissuraError | None = None) -> None:
        if self._closed is not None:
            return
        if self._commands is not None:
            self._commands.close()
        last_words = self._status("offline", "stopped") if error is None else self._status("error", error.found)
        self._sender.close(last_words)
        self._closed = self._spool.stats()
        self._spool.close()
        if self._closed.rows:
            never = "" if self._sender.connects else "; the broker was never reached"
            logger.warning("%d messages are left in %s for the next run%s", self._closed.rows, self._spool.path, never)

    def totals(self) -> dict[str, int]:
        stats = self._closed or self._spool.stats()
        outgoing = self._sender.outgoing
        return {
            "spooled": self._spooled,
            "published": outgoing.acknowledged_detections,
            "acknowledged": outgoing.acknowledged,
            "refused": outgoing.refused,
            "left_in_spool": stats.rows,
            "dead_letters": stats.dead_letters,
            "spool_drops": sum(stats.dropped.values()),
            "connects": self._sender.connects,
            "commands": 0 if self._commands is None else self._commands.done,
            "commands_refused": 0 if self._commands is None else self._commands.refused,
            "notices_dropped": self._sender.notices.dropped,
        }

    def _say(self, *notices: Notice) -> bool:
        taken = self._sender.notices.put(*notices)
        self._sender.wake()
        return taken

    def _packet_bytes(self) -> int:
        limit = self._sender.notices.packet_limit_bytes
        return self._limit_bytes if limit is None else min(limit, self._limit_bytes)

    def _heard(self, message: Received) -> None:
        if self._discovery_prefix is not None and message.topic == birth_topic(self._discovery_prefix):
            if message.payload == b"online" and not message.retained:
                self._say(*self._greeting())
        elif self._commands is not None:
            self._commands.heard(message)

    def _greeting(self) -> list[Notice]:
        """What Home Assistant has to hear: who we are, and what is set."""
        if self._discovery_prefix is None:
            return []
        described = discovery(self._context.serial, self._discovery_prefix, commands=self._commands is not None)
        return [described] if self._commands is None else [described, self._commands.state()]

    def _model_changed(self) -> None:
        """The retained status names the model."""
        status = self._status("online", None)
        self._say(Notice(STATUS.of(self._context.serial), status.to_json(), str(status.uuid), retain=STATUS.retain))

    def _message(self, detection: Detection) -> Message:
        payload = detection.to_json()
        if len(payload) > self._limit_bytes:
            self._log.warning("size", f"a detection of {len(payload)} bytes is sent without its outline")
            bare = detection.crack.model_copy(update={"polygon_px": Polygon()})
            payload = detection.model_copy(update={"crack": bare}).to_json()
        return Message(str(detection.uuid), self._topic, payload, qos=DETECTION.qos, retain=DETECTION.retain)

    def _status(self, state: str, reason: str | None) -> Status:
        return Status(
            serial=self._context.serial,
            sent_utc=datetime.now(timezone.utc),
            state=cast(Literal["online", "offline", "error"], state),
            reason=reason,
            mission_id=self._context.mission_id,
            version=__version__,
            bundle_id=self._context.model.bundle_id,
            engine=self._context.model.engine,
        )


def _open_spool(path: Path, limits: SpoolLimits) -> Spool:
    try:
        return Spool(path, limits)
    except SpoolError as error:
        if not error.found.endswith(f"in use by process {os.getpid()}"):
            raise
        raise SpoolError(
            f"spool {path} is in use by another output of this run",
            expected="a store for each MQTT output",
            fix="give one of the addresses another: ?spool=PATH",
        ) from error


def default_spool(serial: str) -> Path:
    """The spool of a device: ``$XDG_STATE_HOME/fissura/<serial>/spool.sqlite``."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "fissura" / check_serial(serial) / "spool.sqlite"
