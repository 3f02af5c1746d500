"""What a run has done, for a person and for a program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from edge_runtime.counters import Counters, Counts
from edge_runtime.sinks.sink import Sink
from edge_runtime.stages import StageTimes


def summarise(counters: Counters, times: StageTimes, sinks: Sequence[Sink]) -> dict[str, Any]:
    """What was counted, also by camera, median stage latencies in milliseconds, and the outputs' totals."""
    counts = counters.snapshot()
    totals: dict[str, int] = {}
    for sink in sinks:
        for name, number in sink.totals().items():
            totals[name] = totals.get(name, 0) + number
    return {
        "frames": counts.frames,
        "detections": counts.detections,
        "drops": counts.drops,
        "sink_errors": counts.sink_errors,
        "seconds": round(counts.uptime_s, 3),
        "stage_ms": times.medians(),
        "sources": {
            name: {"frames": source.frames, "drops": source.drops, "reconnects": source.reconnects}
            for name, source in counts.sources.items()
        },
        **_tiles(counts),
        **totals,
    }


def _tiles(counts: Counts) -> dict[str, Any]:
    if counts.tiles_proposed is None or counts.tiles_refined is None:
        return {}
    left_out = counts.tiles_proposed - counts.tiles_refined
    return {"tiles": {"proposed": counts.tiles_proposed, "left_out": left_out}}


def as_text(summary: dict[str, Any]) -> str:
    """The summary in a few lines."""
    dropped = ", ".join(f"{number} {cause}" for cause, number in summary["drops"].items()) or "none"
    refused = ", ".join(f"{number} by {stage}" for stage, number in summary["sink_errors"].items())
    stages = ", ".join(f"{stage} {median:.1f}" for stage, median in summary["stage_ms"].items())
    tiles = summary.get("tiles")
    named = ("tiles", "frames", "detections", "drops", "sink_errors", "seconds", "stage_ms", "sources")
    totals = ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in summary.items() if name not in named)
    lines = [
        f"{summary['frames']} frames in {summary['seconds']:.1f} s, {summary['detections']} detections",
        f"dropped: {dropped}",
        *(_camera(name, source) for name, source in summary["sources"].items() if len(summary["sources"]) > 1),
        f"frames refused by outputs: {refused}" if refused else "",
        f"median ms: {stages}" if stages else "",
        f"tiles: {tiles['proposed']} proposed, {tiles['left_out']} of them without time" if tiles else "",
        f"outputs: {totals}" if totals else "",
    ]
    return "\n".join(line for line in lines if line)


def _camera(name: str, source: dict[str, Any]) -> str:
    dropped = ", ".join(f"{number} {cause}" for cause, number in source["drops"].items()) or "none"
    again = f", lost and back {source['reconnects']} times" if source["reconnects"] else ""
    return f"  {name}: {source['frames']} frames, dropped: {dropped}{again}"
