"""The heartbeat message: what the pipeline counted, and what the device says about itself."""

from __future__ import annotations

from datetime import datetime, timezone

from edge_runtime.hardware.sensors import Sensors
from edge_runtime.sinks.sink import SinkContext
from edge_runtime.spool import SpoolStats
from fissura.messages import SourceTelemetry, Telemetry


class TelemetryWriter:
    """Makes the heartbeats of one run.

    Args:
        context: of the run.
        sensors: of the device.
    """

    def __init__(self, context: SinkContext, sensors: Sensors | None = None) -> None:
        self._context = context
        self._sensors = sensors or Sensors()

    def __call__(self, spool: SpoolStats) -> Telemetry:
        """A heartbeat now.

        Args:
            spool: what the message store holds.
        """
        counts, reading = self._context.counters.snapshot(), self._sensors.read()
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
            sources={
                name: SourceTelemetry(
                    frames=source.frames,
                    drops=source.drops,
                    frame_age_s=source.frame_age_s,
                    reconnects=source.reconnects,
                )
                for name, source in counts.sources.items()
            },
            paused=counts.paused,
            temperatures_c=reading.temperatures_c or None,
            clocks_mhz=reading.clocks_mhz or None,
            power_w=reading.power_w or None,
            throttled=reading.throttled,
            throttle_reason=reading.throttle_reason,
            rss_mb=reading.process.rss_mb,
        )
