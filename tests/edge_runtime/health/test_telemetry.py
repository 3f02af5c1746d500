from __future__ import annotations

import json
from pathlib import Path

from edge_runtime.counters import Counters
from edge_runtime.hardware.sensors import Sensors
from edge_runtime.health.telemetry import TelemetryWriter
from edge_runtime.sinks.sink import SinkContext
from edge_runtime.spool import SpoolStats
from fissura.messages import ModelStamp, Telemetry
from tests.edge_runtime.hardware.trees import jetson, write

NOTHING = SpoolStats(0, 0, 0, {})
MODEL = ModelStamp(name="tiny", bundle_id="ab", mode="segmentation", engine="onnxruntime", threshold=0.5)


def test_what_a_device_says(tmp_path: Path) -> None:
    counters = Counters(["front"])
    counters.frame_arrived("front")
    counters.frame_done(3, "front")
    counters.dropped("throttled", 2, "front")
    counters.source_reconnected("front", 1)
    root = write(jetson(tmp_path), {"sys/class/thermal/cooling_device3/cur_state": 1})
    write_heartbeat = TelemetryWriter(SinkContext("truck-07", "m1", MODEL, counters), Sensors(root))
    sent = json.loads(write_heartbeat(SpoolStats(5, 700, 0, {})).to_json())
    assert (sent["schema_version"], sent["frames"], sent["spool_rows"]) == ("1.5", 1, 5)
    front = sent["sources"]["front"]
    assert front.pop("frame_age_s") >= 0
    assert front == {"frames": 1, "drops": {"throttled": 2}, "reconnects": 1}
    assert sent["temperatures_c"]["gpu-thermal"] == 49.031
    assert sent["clocks_mhz"] == {"cpu": 1510.4, "gpu": 612.0}
    assert set(sent["power_w"]) == {"VDD_GPU_SOC", "VDD_CPU_CV"}
    assert (sent["throttled"], sent["paused"]) == (True, False)
    assert sent["throttle_reason"] == "cpu-throttle-alert (cooling_device3) at step 1"


def test_what_is_unknown_is_null(tmp_path: Path) -> None:
    telemetry = TelemetryWriter(SinkContext("s", "m", MODEL), Sensors(tmp_path))(NOTHING)
    assert telemetry.temperatures_c is telemetry.clocks_mhz is telemetry.power_w is telemetry.throttled is None
    assert telemetry.throttle_reason is telemetry.rss_mb is telemetry.frame_age_s is None
    assert telemetry.sources == {}


def test_on_this_machine() -> None:
    telemetry = TelemetryWriter(SinkContext("s", "m", MODEL))(NOTHING)
    assert Telemetry.model_validate_json(telemetry.to_json()) == telemetry
    assert telemetry.rss_mb is not None and telemetry.rss_mb > 10
