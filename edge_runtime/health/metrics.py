"""The run in the text format of Prometheus: base units, counters end in `_total`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from edge_runtime.counters import Counts
from edge_runtime.hardware.sensors import Reading
from edge_runtime.health.outbox import OutboxState
from edge_runtime.health.snapshot import Snapshot
from edge_runtime.stages import StageTimes, percentiles
from fissura import __version__

QUANTILES = {"p50": "0.5", "p90": "0.9", "p99": "0.99", "p999": "0.999"}


class Metrics(Collector):
    """Renders snapshots.

    Args:
        snapshot: gives the newest.
        times: latencies of the stages.
    """

    def __init__(self, snapshot: Callable[[], Snapshot], times: StageTimes) -> None:
        self._snapshot = snapshot
        self._times = times
        # Not the library's global one: a process may hold several runs, and tests do.
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def describe(self) -> list[Metric]:
        """Nothing: registering would take a snapshot otherwise, before there is one."""
        return []

    def render(self) -> bytes:
        """The text."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """The metrics now."""
        snapshot = self._snapshot()
        state = snapshot.state
        build = {"version": __version__, "bundle_id": state.bundle_id, "engine": state.engine}
        yield InfoMetricFamily("fissura_build", "What runs", build)
        yield _gauge("fissura_healthy", "1: /healthz answers 200", float(snapshot.verdict.healthy))
        yield _gauge("fissura_paused", "1: frames are left out on command", float(snapshot.counts.paused))
        yield _gauge("fissura_frames_one_of", "Of so many frames of a live camera one is processed", snapshot.every)
        yield from _pipeline(snapshot.counts)
        yield self._stages()
        yield from _device(snapshot.reading)
        if snapshot.outboxes:
            yield from _outboxes(snapshot.outboxes)

    def _stages(self) -> Metric:
        # Of the latest frames; there is no sum and no count over all.
        family = SummaryMetricFamily("fissura_stage_seconds", "Latency of a stage, of the latest 4096 frames")
        for stage, milliseconds in self._times.all().items():
            for name, value in percentiles(milliseconds).items():
                family.add_sample("fissura_stage_seconds", {"stage": stage, "quantile": QUANTILES[name]}, value / 1e3)
        return family


def _pipeline(counts: Counts) -> Iterator[Metric]:
    frames = CounterMetricFamily("fissura_frames", "Frames processed", labels=["source"])
    dropped = CounterMetricFamily("fissura_frames_dropped", "Frames not processed", labels=["source", "cause"])
    reconnects = CounterMetricFamily("fissura_source_reconnects", "Cameras opened again", labels=["source"])
    ages = GaugeMetricFamily("fissura_frame_age_seconds", "Since the last frame arrived", labels=["source"])
    for name, source in counts.sources.items():
        frames.add_metric([name], source.frames)
        reconnects.add_metric([name], source.reconnects)
        for cause, lost in source.drops.items():
            dropped.add_metric([name, cause], lost)
        if source.frame_age_s is not None:
            ages.add_metric([name], source.frame_age_s)
    yield from (frames, dropped, reconnects, ages)
    yield CounterMetricFamily("fissura_detections", "Cracks found", counts.detections)
    errors = CounterMetricFamily("fissura_output_errors", "Processed frames that an output refused", labels=["output"])
    for output, failed in counts.sink_errors.items():
        errors.add_metric([output], failed)
    yield errors
    yield _gauge("fissura_uptime_seconds", "Since the start", counts.uptime_s)


def _device(reading: Reading) -> Iterator[Metric]:
    tables = (
        ("fissura_temperature_celsius", "By thermal zone", "zone", reading.temperatures_c, 1.0),
        ("fissura_clock_hertz", "Of the fastest core and the GPU", "unit", reading.clocks_mhz, 1e6),
        ("fissura_power_watts", "By supply rail", "rail", reading.power_w, 1.0),
        ("fissura_fan_rpm", "Turns a minute", "fan", reading.fans_rpm, 1.0),
    )
    for name, words, label, values, factor in tables:
        family = GaugeMetricFamily(name, words, labels=[label])
        for key, value in values.items():
            family.add_metric([key], value * factor)
        yield family
    if reading.throttled is not None:
        yield _gauge("fissura_throttled", "1: the device holds its clocks down", float(reading.throttled))
    if reading.battery_percent is not None:
        yield _gauge("fissura_battery_ratio", "What is left in the battery", reading.battery_percent / 100)
    if reading.process.threads is not None:
        yield _gauge("process_threads", "Threads of Python and of the engines", reading.process.threads)


def _outboxes(outboxes: tuple[OutboxState, ...]) -> Iterator[Metric]:
    stats = [outbox.stats for outbox in outboxes if outbox.stats is not None]
    connected = all(outbox.connected for outbox in outboxes)
    yield _gauge("fissura_mqtt_connected", "1: the broker takes messages", float(connected))
    yield _gauge("fissura_spool_rows", "Messages waiting to be sent", sum(one.rows for one in stats))
    yield _gauge(
        "fissura_spool_bytes", "Size of the messages that wait, dead letters included", sum(one.bytes for one in stats)
    )
    yield _gauge("fissura_spool_dead_letters", "Messages refused too often", sum(one.dead_letters for one in stats))
    dropped = CounterMetricFamily("fissura_spool_dropped", "Messages lost, by kind and cause", labels=["kind"])
    for kind in sorted({kind for one in stats for kind in one.dropped}):
        dropped.add_metric([kind], sum(one.dropped.get(kind, 0) for one in stats))
    yield dropped


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value)
