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
from edge_runtime.mqtt.endpoint import MqttConfig, read_endpoint
from edge_runtime.mqtt.sender import Sender, Voice
from edge_runtime.plugins import Address
from edge_runtime.ratelimit import RateLimitedLog
from edge_runtime.sinks.sink import Deadline, Sink, SinkContext
from edge_runtime.spool import Message, Spool, SpoolLimits, SpoolStats
from fissura import __version__
from fissura.config import Config
from fissura.errors import FissuraError
from fissura.messages import Detection, Status, Telemetry
from fissura.topics import DETECTION, check_serial

logger = logging.getLogger(__name__)

FLUSH_POLL_S = 0.02


class MqttSinkConfig(MqttConfig):
    """Options of the sink: the broker's, and the spool's."""

    spool: Path | None = Field(None, description="the message store; null: in the user's state folder, by serial")
    spool_mb: float = Field(256, gt=0, description="bound of the message store, 10^6 bytes")
    spool_days: float = Field(30, gt=0, description="age at which a message is dropped")
    max_payload_bytes: int = Field(
        131072, ge=4096, description="a larger detection goes without its outline; a common limit of brokers"
    )


class MqttSink(Sink):
    """Puts each frame's detections into the spool in one transaction; a thread of its own sends them."""

    config_class: ClassVar[type[Config]] = MqttSinkConfig
    stage: ClassVar[str] = "spool"

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
        self._spool = Spool(
            config.spool or default_spool(context.serial),
            SpoolLimits(max_bytes=int(config.spool_mb * 1e6), max_age_s=config.spool_days * 86400),
        )
        waiting = self._spool.stats().rows
        if waiting:
            logger.info("%d messages of an earlier run wait in %s", waiting, self._spool.path)
        voice = Voice(context.serial, self._status, self._telemetry)
        self._sender = Sender(endpoint, self._spool, voice, context.fail)
        self._sender.start()

    def put(self, frame: Frame, detections: Sequence[Detection], probability: NDArray[np.float32]) -> None:
        self._sender.resume()
        if not detections:
            return
        self._spool.put([self._message(detection) for detection in detections])
        self._spooled += len(detections)
        self._sender.wake()

    def flush(self, deadline: Deadline) -> None:
        self._sender.last_heartbeat()
        while self._sender.alive and deadline.remaining_s() > 0 and not self._spool.empty():
            time.sleep(FLUSH_POLL_S)

    def close(self, error: FissuraError | None = None) -> None:
        if self._closed is not None:
            return
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
        }

    def _message(self, detection: Detection) -> Message:
        payload = detection.to_json()
        if len(payload) > self._limit_bytes:
            self._log.warning("size", f"a detection of {len(payload)} bytes is sent without its outline")
            bare = detection.crack.model_copy(update={"polygon_px": ()})
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
            bundle_id=self._context.bundle_id,
            engine=self._context.engine,
        )

    def _telemetry(self, spool: SpoolStats) -> Telemetry:
        counts = self._context.counters.snapshot()
        left_out = None
        if counts.tiles_proposed is not None and counts.tiles_refined is not None:
            left_out = counts.tiles_proposed - counts.tiles_refined
        return Telemetry(
            serial=self._context.serial,
            sent_utc=datetime.now(timezone.utc),
            mission_id=self._context.mission_id,
            uptime_s=counts.uptime_s,
            frames=counts.frames,
            frames_per_second=counts.frames_per_second,
            drops=counts.drops,
            frame_age_s=counts.frame_age_s,
            detections=counts.detections,
            spool_rows=spool.rows,
            spool_bytes=spool.bytes,
            stage_ms=self._context.times.medians(),
            tiles_proposed=counts.tiles_proposed,
            tiles_left_out=left_out,
        )


def default_spool(serial: str) -> Path:
    """The spool of a device: ``$XDG_STATE_HOME/fissura/<serial>/spool.sqlite``."""
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(state) / "fissura" / check_serial(serial) / "spool.sqlite"
