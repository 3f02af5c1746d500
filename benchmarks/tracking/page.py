"""The results as a page of Markdown."""

from __future__ import annotations

from typing import Any

COLUMNS = {
    "cracks": "cracks in view",
    "cracks_found": "found",
    "cracks_lost_by_tracking": "lost by tracking",
    "sightings": "sightings",
    "messages": "messages",
    "new": "new",
    "update": "update",
    "end": "end",
    "sightings_per_crack": "sightings a crack",
    "events_per_crack": "events a crack",
    "lasting_events_per_crack": "seen twice or more",
    "false_sightings": "sightings on none",
    "false_events": "events on none",
    "false_lasting_events": "seen twice or more",
}


def page(result: dict[str, Any]) -> str:
    """Tables of the counts and the cost."""
    parts = [
        "# Tracking\n",
        f"Made by `python benchmarks/tracking/run.py` with the bundle `{result['bundle']}`, mode `segmentation`, "
        f"threshold\n{result['threshold']:g}, in {result['cpu_seconds']:.0f} s of one core. Frames have noise, flicker "
        "in brightness, and dark lines that are seen in one frame alone.\n",
        "- true masks: what a model without a mistake would find; fused: as by `--fuse 4`.",
        "- cracks in view, found: true cracks of 10 px and more on the ground that the clips show; those that a "
        "sighting lies on.",
        "- lost by tracking: found, but no event ended on them.",
        "- sightings: cracks found in single frames. Without tracking each is a message.",
        "- messages: what is told with `--track`, by phase.",
        "- events a crack: those that did not turn out to be part of others, for each crack found. More than one: "
        "pieces that\n  no frame joins, and stubs that one frame alone shows beside their crack.",
        "- seen twice or more: of the events before, those that more than one frame has shown (`seen_frames`).",
        "- on none: half or more of the outline lies farther than 4 px from every crack; events are counted at their "
        "end.\n",
    ]
    for name, rows in result["counts"].items():
        first = next(iter(rows.values()))
        parts += [f"## {name}\n", f"{first['clips']} clips, {first['frames']} frames.\n"]
        parts += ["| | " + " | ".join(COLUMNS.values()) + " |", "|---|" + "---:|" * len(COLUMNS)]
        parts += [f"| {label} | " + " | ".join(str(row[key]) for key in COLUMNS) + " |" for label, row in rows.items()]
        parts.append("")
    parts += ["## Cost\n", "CPU milliseconds a frame, one thread.\n"]
    parts += ["| clips | registration, median | 95 % | tracker, median | 95 % |", "|---|---:|---:|---:|---:|"]
    for name, row in result["cpu_ms"].items():
        values = (row["register_median"], row["register_p95"], row["track_median"], row["track_p95"])
        parts.append(f"| {name} | " + " | ".join(f"{value:.1f}" for value in values) + " |")
    versions = ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    parts.append(
        "\nRegistration is done once a frame, also where frames are fused and tracked.\n"
        f"{versions}, OpenCV {result['opencv']}, {result['machine']}.\n"
    )
    return "\n".join(parts)
