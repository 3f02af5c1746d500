"""What was measured, as the JSON document of `fissura bench`."""

from __future__ import annotations

import resource
from statistics import median
from typing import Any

from edge_runtime.bench.rounds import Rounds, Scenario
from edge_runtime.hardware.process import own_use
from edge_runtime.stages import percentiles

FRAME, ACKNOWLEDGED, ENGINE = "frame", "capture_to_ack", "engine"


def figures_of(measured: Rounds) -> dict[str, Any]:
    """All figures.

    Rates come from scenario `throughput` and latencies from `singlestream`, where both were run: frames that wait in a
    queue say nothing about latency.
    """
    counts, sent = measured.counters.snapshot(), measured.sent
    rates: Scenario = "throughput" if "throughput" in measured.pipelines else "singlestream"
    latencies: Scenario = "singlestream" if "singlestream" in measured.pipelines else "throughput"
    by_scenario = {name: _scenario(measured, name) for name in measured.pipelines}
    of_rates, of_latencies = by_scenario[rates], by_scenario[latencies]
    return {
        "eta": of_rates["eta"],
        "engine_fps": round(measured.fps(measured.engine), 3),
        "end_to_end_fps": of_rates["fps"],
        "host_cpu_ms": of_rates["host_cpu_ms"],
        "host_cpu_of": "threads",  # earlier results: of the difference to the bare engine
        "engine_ms": percentiles(measured.engine.latencies_ms[ENGINE]),
        "frame_ms": of_latencies["frame_ms"],
        "capture_to_ack_ms": of_latencies["capture_to_ack_ms"],
        "stage_ms": of_latencies["stage_ms"],
        "rates_of": rates,
        "latencies_of": latencies,
        "scenarios": by_scenario,
        "frames": counts.frames,
        "rounds": len(measured.engine.wall_s),
        "frames_a_part": measured.frames,
        "drops": counts.drops,
        "sink_errors": sum(counts.sink_errors.values()),
        "detections": counts.detections,
        "published": sent.get("spooled"),
        "acknowledged": sent.get("published"),
        "energy": _energy(measured, of_rates["fps"]),
        **_memory(),
    }


def _scenario(measured: Rounds, scenario: Scenario) -> dict[str, Any]:
    part = measured.pipelines[scenario]
    etas, host_cpus_ms = measured.etas(scenario), measured.host_cpus_ms(scenario)
    stages = {stage: percentiles(values) for stage, values in part.latencies_ms.items()}
    return {
        "eta": round(median(etas), 4),
        "etas": [round(eta, 4) for eta in etas],
        "fps": round(measured.fps(part), 3),
        "host_cpu_ms": round(median(host_cpus_ms), 3),
        "host_cpus_ms": [round(milliseconds, 3) for milliseconds in host_cpus_ms],
        "cpu_over_bare_ms": [round(milliseconds, 3) for milliseconds in measured.cpu_over_bare_ms(scenario)],
        "frame_ms": stages.pop(FRAME, {}),
        "capture_to_ack_ms": stages.pop(ACKNOWLEDGED, {}),
        "stage_ms": stages,
    }


def _energy(measured: Rounds, fps: float) -> dict[str, dict[str, float]] | None:
    """By supply rail; None where the device does not say."""
    return {
        rail: {"watts": round(watts, 3), "joules_a_frame": round(watts / fps, 4)}
        for rail, watts in measured.watts.items()
    } or None


def _memory() -> dict[str, float | None]:
    """Of this process, 10^6 bytes."""
    now_mb = own_use().rss_mb
    return {
        "rss_mb": None if now_mb is None else round(now_mb, 1),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, 1),
    }
