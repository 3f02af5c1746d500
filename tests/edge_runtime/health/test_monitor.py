"""The whole of it over HTTP, with real counters, a real spool and the tree of a Jetson."""

from __future__ import annotations

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edge_runtime.counters import Counters
from edge_runtime.hardware.sensors import Sensors
from edge_runtime.health.config import HealthConfig
from edge_runtime.health.monitor import Health
from edge_runtime.health.outbox import Outbox
from edge_runtime.spool import Message, Spool, SpoolLimits
from edge_runtime.stages import StageTimes
from fissura import __version__
from fissura.errors import UsageError
from tests.edge_runtime.hardware.trees import jetson, write
from tests.edge_runtime.health.readings import STATE
from tests.mosquitto import wait_until

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


class Run:
    """A run as far as health sees it."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.root = jetson(folder / "board")
        self.counters = Counters(["front", "rear"])
        self.times = StageTimes()
        self.spool = Spool(folder / "store" / "spool.sqlite", SpoolLimits(max_bytes=900))
        self.connected = True
        outbox = Outbox(self.spool.path, self.spool.stats, lambda: self.connected)
        config = HealthConfig(address="0", **options)
        sensors = Sensors(self.root)
        self.health = Health(config, self.counters, self.times, lambda: STATE, [outbox], sensors=sensors)

    def frame(self) -> None:
        for name in ("front", "rear"):
            self.counters.frame_arrived(name)
            self.counters.frame_done(2, name)

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.health.port}{path}", timeout=20) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def healthz(self) -> tuple[int, dict[str, Any]]:
        status, body = self.get("/healthz")
        return status, json.loads(body)

    def becomes(self, status: int, word: str) -> bool:
        return wait_until(lambda: (answer := self.healthz())[0] == status and answer[1]["status"] == word)

    def metrics(self) -> Samples:
        families = text_string_to_metric_families(self.get("/metrics")[1].decode())
        return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}

    def close(self) -> None:
        self.health.close()
        self.spool.close()


@pytest.fixture
def make_run(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    with ExitStack() as stack:

        def make(**options: Any) -> Run:
            run = Run(tmp_path, **options)
            stack.callback(run.close)
            return run

        yield make


def sample(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


def test_metrics(make_run: Callable[..., Run]) -> None:
    run = make_run()
    run.frame()
    run.counters.dropped("superseded", 3, "front")
    run.counters.source_reconnected("rear", 4)
    run.counters.sink_failed("jsonl")
    for milliseconds in range(1, 101):
        run.times.add("decode", milliseconds)
    # The second makes room for itself: the first is lost, and counted.
    for number in range(2):
        run.spool.put([Message(f"u{number}", "t", bytes(500))])
    run.health.start()
    found = run.metrics()
    for name in ("front", "rear"):
        assert sample(found, "fissura_frames_total", source=name) == 1
        age_s = sample(found, "fissura_frame_age_seconds", source=name)
        assert age_s is not None and 0 <= age_s < 60
    assert sample(found, "fissura_frames_dropped_total", source="front", cause="superseded") == 3
    assert sample(found, "fissura_source_reconnects_total", source="rear") == 4
    assert sample(found, "fissura_output_errors_total", output="jsonl") == 1
    assert sample(found, "fissura_detections_total") == 4
    assert sample(found, "fissura_stage_seconds", stage="decode", quantile="0.5") == pytest.approx(0.0505)
    assert sample(found, "fissura_stage_seconds", stage="decode", quantile="0.999") == pytest.approx(0.1, abs=0.001)
    assert sample(found, "fissura_spool_rows") == 1
    assert sample(found, "fissura_spool_bytes") == 701
    assert sample(found, "fissura_spool_dropped_total", kind="detection_full") == 1
    assert sample(found, "fissura_mqtt_connected") == 1
    assert sample(found, "fissura_temperature_celsius", zone="cpu-thermal") == 52.812
    assert sample(found, "fissura_clock_hertz", unit="gpu") == 612e6
    assert sample(found, "fissura_power_watts", rail="VDD_CPU_CV") == pytest.approx(4.60224)
    assert sample(found, "fissura_fan_rpm", fan="pwm_tach") == 2140
    assert sample(found, "fissura_throttled") == 0
    assert sample(found, "fissura_frames_one_of") == 1
    assert sample(found, "fissura_healthy") == 0  # an output refuses frames
    labels = {"version": __version__, "bundle_id": STATE.bundle_id, "engine": STATE.engine}
    assert sample(found, "fissura_build_info", **labels) == 1
    memory = sample(found, "process_resident_memory_bytes")
    assert memory is not None and memory > 1e6
    assert {"process_cpu_seconds_total", "process_open_fds"} <= {name for name, _ in found}


def test_every_metric_has_help_a_type_and_base_units(make_run: Callable[..., Run]) -> None:
    run = make_run()
    run.frame()
    run.health.start()
    families = list(text_string_to_metric_families(run.get("/metrics")[1].decode()))
    assert len(families) > 20
    for family in families:
        assert family.documentation and family.type != "unknown", family.name
        assert not family.name.endswith(("_ms", "_mb", "_mhz", "_milliseconds")), family.name
        assert family.name.startswith(("fissura_", "process_")), family.name
    names = [family.name for family in families]
    assert len(set(names)) == len(names)


def test_green_then_red_when_frames_stop_then_green(make_run: Callable[..., Run]) -> None:
    run = make_run(frame_limit_s=1)

    @contextmanager
    def frames() -> Iterator[None]:
        stop = threading.Event()

        def drive() -> None:
            while not stop.wait(0.1):
                run.frame()

        cameras = threading.Thread(target=drive)
        cameras.start()
        try:
            yield
        finally:
            stop.set()
            cameras.join()

    def problems() -> list[str]:
        return [problem.split(" for ")[0] for problem in run.healthz()[1]["problems"]]

    run.frame()
    with frames():
        run.health.start()
        assert run.becomes(200, "ok")
    assert run.becomes(503, "failing")
    assert wait_until(lambda: problems() == ["no frame from camera front", "no frame from camera rear"])
    with frames():
        assert run.becomes(200, "ok")


def test_paused_and_offline_are_green(make_run: Callable[..., Run]) -> None:
    run = make_run(frame_limit_s=0.5)
    run.connected = False
    run.counters.paused(True)
    run.health.start()
    assert wait_until(lambda: run.health.snapshot.counts.uptime_s > 1)
    status, document = run.healthz()
    assert (status, document["status"], document["paused"]) == (200, "paused", True)
    assert document["degraded"] == ["the broker is out of reach"]
    assert sample(run.metrics(), "fissura_mqtt_connected") == 0


def test_red_when_the_store_takes_nothing(make_run: Callable[..., Run], tmp_path: Path) -> None:
    run = make_run(frame_limit_s=600)
    (tmp_path / "store").rename(tmp_path / "gone")
    (tmp_path / "store").write_text("")
    run.health.start()
    status, document = run.healthz()
    assert (status, document["processing"]) == (503, True)
    assert "cannot be written" in document["problems"][0]


def test_throttling_is_told_and_the_governor_acts(make_run: Callable[..., Run]) -> None:
    run = make_run(frame_limit_s=600)
    run.health.start()
    assert run.health.governor is not None and run.health.governor.every == 1
    write(run.root, {"sys/class/thermal/thermal_zone1/temp": 99500})
    assert wait_until(lambda: run.healthz()[1]["one_frame_of"] == 2)
    document = run.healthz()[1]
    assert document["throttled"] and document["throttle_reason"].startswith("gpu-thermal 99.5")
    assert document["status"] == "ok"
    assert sample(run.metrics(), "fissura_throttled") == 1
    assert [run.health.governor.leave_out("front") for _ in range(4)].count("throttled") == 2


def test_the_governor_can_be_left_out(make_run: Callable[..., Run]) -> None:
    run = make_run(slow_when_throttled=False)
    run.health.start()
    assert run.health.governor is None and run.healthz()[1]["one_frame_of"] == 1


def test_a_port_in_use(make_run: Callable[..., Run]) -> None:
    port = make_run().health.port
    with pytest.raises(UsageError, match="cannot be listened on"):
        Health(HealthConfig(address=str(port)), Counters(), StageTimes(), lambda: STATE)


def test_the_end(make_run: Callable[..., Run]) -> None:
    run = make_run()
    run.frame()
    run.health.start()
    threads = [thread.name for thread in threading.enumerate()]
    assert {"health", "health-server"} <= set(threads)
    run.health.stopping()
    assert run.becomes(503, "stopping")
    run.health.close()
    run.health.close()
    assert not {"health", "health-server"} & {thread.name for thread in threading.enumerate()}
    assert run.health.port is None


def test_without_an_address_nobody_listens(tmp_path: Path) -> None:
    health = Health(HealthConfig(), Counters(), StageTimes(), lambda: STATE, sensors=Sensors(tmp_path))
    health.start()
    assert health.port is None and health.snapshot.reading.throttled is None
    health.close()
