"""What the MQTT output says besides the detections."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.local_broker import LocalBroker
from edge_runtime.sinks import open_sink
from edge_runtime.sinks.sink import SinkContext
from fissura.errors import SpoolError
from fissura.messages import ModelStamp
from tests.edge_runtime.sinks.test_sinks import PROBABILITY, deadline, make_frame
from tests.mosquitto import Subscriber, wait_until


def _context() -> SinkContext:
    return SinkContext("s1", "m1", ModelStamp(name="n", bundle_id="0" * 64, mode="fused", engine="e", threshold=0.4))


def test_heartbeats_go_on_when_a_frame_follows_a_flush(tmp_path: Path, broker: LocalBroker) -> None:
    subscriber = Subscriber(broker.port)
    sink = open_sink(f"mqtt://127.0.0.1:{broker.port}?spool={tmp_path}/s.sqlite", _context())
    assert wait_until(lambda: bool(subscriber.of("telemetry")))
    sink.flush(deadline())
    flushed = len(subscriber.of("telemetry"))
    assert not wait_until(lambda: len(subscriber.of("telemetry")) > flushed + 1, 1.5)  # a flush can come to its end
    flushed = len(subscriber.of("telemetry"))
    sink.put(make_frame(), [], PROBABILITY)
    assert wait_until(lambda: len(subscriber.of("telemetry")) > flushed)
    sink.close()
    subscriber.close()


def test_the_retained_status_names_the_model_that_runs(tmp_path: Path, broker: LocalBroker) -> None:
    subscriber = Subscriber(broker.port)
    context = _context()
    sink = open_sink(f"mqtt://127.0.0.1:{broker.port}?spool={tmp_path}/s.sqlite", context)
    assert wait_until(lambda: len(subscriber.of("status")) == 1)
    context.model_changed(context.model.model_copy(update={"bundle_id": "1" * 64}))
    assert wait_until(lambda: len(subscriber.of("status")) == 2)
    late = Subscriber(broker.port, client_id="late")
    assert wait_until(lambda: bool(late.of("status")))
    assert (late.of("status")[0]["bundle_id"], late.of("status")[0]["state"]) == ("1" * 64, "online")
    late.close()
    sink.close()
    subscriber.close()


def test_two_outputs_of_a_run_are_told_to_have_a_store_each(tmp_path: Path, broker: LocalBroker) -> None:
    uri = f"mqtt://127.0.0.1:{broker.port}?spool={tmp_path}/s.sqlite"
    sink = open_sink(uri, _context())
    with pytest.raises(SpoolError, match="another output of this run") as caught:
        open_sink(uri, _context())
    assert "?spool=PATH" in caught.value.fix
    sink.close()
    open_sink(uri, _context()).close()
