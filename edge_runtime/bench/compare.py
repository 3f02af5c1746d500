"""Two results of `fissura bench --json` side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fissura.errors import UsageError
from fissura.table import format_table

# What has to be alike for a ratio to tell of the software alone.
CONDITIONS = (
    "processor", "threads", "frame_px", "frames_from", "bundle_id", "mode", "precision", "engine", "engine_options",
    "output", "rates_of", "latencies_of", "host_cpu_of", "throttled",
)  # fmt: skip
RATES = ("eta", "engine_fps", "end_to_end_fps", "host_cpu_ms")
LATENCIES = ("engine_ms", "frame_ms", "capture_to_ack_ms")
PERCENTILES = ("p50", "p90", "p99", "p999")
MEMORY = ("rss_mb", "peak_rss_mb")


def read_result(path: Path) -> dict[str, Any]:
    """Read a result.

    Raises:
        UsageError: it is none.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}", expected="what `fissura bench --json` printed") from error
    lacking = [name for name in (*RATES, *LATENCIES) if not isinstance(document, dict) or name not in document]
    if lacking:
        raise UsageError(f"{path} lacks {', '.join(lacking)}", expected="what `fissura bench --json` printed")
    return document


def compare(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Ratios and differing conditions.

    Returns:
        `ratios`: by figure, the second by the first and both values, where both have it. `differing`: by condition,
        both values.
    """
    first, second = dict(_flat(before)), dict(_flat(after))
    return {
        "ratios": {
            name: {"a": value, "b": second[name], "b_by_a": round(second[name] / value, 4)}
            for name, value in first.items()
            if name in second and value > 0
        },
        "differing": {
            name: [before.get(name), after.get(name)] for name in CONDITIONS if before.get(name) != after.get(name)
        },
    }


def as_text(compared: dict[str, Any]) -> str:
    """For a person."""
    rows = [
        (name, f"{one['a']:.3f}", f"{one['b']:.3f}", f"{one['b_by_a']:.3f}") for name, one in compared["ratios"].items()
    ]
    lines = [format_table(("", "A", "B", "B / A"), rows, right=(1, 2, 3))]
    if compared["differing"]:
        lines += ["", "warning: the conditions differ, so the ratios tell of these too:"]
        lines += [f"  {name}: {first} / {second}" for name, (first, second) in compared["differing"].items()]
    return "\n".join(lines)


def _flat(result: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """The figures that have a ratio, by name."""
    for name in (*RATES, *MEMORY):
        if isinstance(result.get(name), int | float):
            yield name, result[name]
    for name in LATENCIES:
        for percentile in PERCENTILES:
            if isinstance(result[name].get(percentile), int | float):
                yield f"{name} {percentile}", result[name][percentile]
