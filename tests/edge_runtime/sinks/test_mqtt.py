"""What the MQTT output says besides the detections."""

from __future__ import annotations

from pathlib import Path

from edge_runtime.local_broker import LocalBroker
from edge_runtime.sinks import open_sink
from tests.edge_runtime.sinks.test_sinks import CONTEXT, PROBABILITY, deadline, make_frame
from tests.mosquitto import Subscriber, wait_until


def test_heartbeats_go_on_when_a_frame_follows_a_flush(tmp_path: Path, broker: LocalBroker) -> None:
    subscriber = Subscriber(broker.port)
    sink = open_sink(f"mqtt://127.0.0.1:{broker.port}?spool={tmp_path}/s.sqlite", CONTEXT)
    assert wait_until(lambda: bool(subscriber.of("telemetry")))
    sink.flush(deadline())
    flushed = len(subscriber.of("telemetry"))
    assert not wait_until(lambda: len(subscriber.of("telemetry")) > flushed + 1, 1.5)  # a flush can come to its end
    flushed = len(subscriber.of("telemetry"))
    sink.put(make_frame(), [], PROBABILITY)
    assert wait_until(lambda: len(subscriber.of("telemetry")) > flushed, 5)
    sink.close()
    subscriber.close()
