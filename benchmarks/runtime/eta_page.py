"""The results of `eta.py` as a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from statistics import median
from typing import Any

COLUMNS = (
    "",
    "eta",
    "frames/s",
    "bare engine's",
    "host CPU ms a frame (rounds)",
    "CPU over the bare engine's (rounds)",
    "frame ms p50",
    "p99",
    "p99/p50",
    "bare engine's",
    "capture to ack ms p50",
    "frames",
)
NOTES = """\
- eta, frames/s and host CPU are of scenario throughput (median of the rounds), latencies of SingleStream: the next
  frame is given when the last one has left the pipeline.
- eta: frames a second through the whole pipeline, until the last message is acknowledged (QoS 1), by those of the same
  engine run back to back in the same process and thread.
- host CPU: processor time of the whole process a frame, all threads, without that of the engine's calls and of the
  engine's own threads: skeletons, outlines, messages, message store and sending.
- CPU over the bare engine's: the whole process, less the bare engine run before it. What the rest costs the engine in
  caches is in it, and so is what other guests of a shared machine do to two long runs: it scatters.
- Only ONNX Runtime with one thread is judged; figures of two threads scatter on shared machines.
"""


def as_markdown(results: dict[str, Any]) -> str:
    """A page with a table of figures and one of verdicts for each bundle."""
    lines = ["# The pipeline against its bare engine", "", f"`{results['command']}`", ""]
    load = ", ".join(f"{value:.1f}" for value in results["load_average"])
    lines += [f"{results['made_utc'][:10]}, load average at the start {load}.", ""]
    for name, found in results["bundles"].items():
        some = next(iter(found["ways"].values()))
        lines += [f"## {name}: {some['bundle']}", "", f"{some['processor']}. {found['frames_from']}.", ""]
        lines += [*_table(COLUMNS, (_row(way, figures) for way, figures in found["ways"].items())), ""]
        lines += [f"Not measured: {way}: {reason}." for way, reason in found["not_measured"].items()]
        verdicts = ((one["what"], f"{one['found']:g}", one["asked"], _kept(one)) for one in found["verdicts"])
        lines += ["", *_table(("bar", "found", "asked", ""), verdicts), ""]
    versions = ", ".join(f"{what} {version}" for what, version in some["versions"].items() if version)
    return "\n".join([*lines, NOTES, f"Versions: {versions}.", ""])


def _kept(verdict: dict[str, Any]) -> str:
    return "kept" if verdict["kept"] else "MISSED"


def _row(way: str, figures: dict[str, Any]) -> tuple[str, ...]:
    frame, engine = figures["frame_ms"], figures["engine_ms"]
    ack = figures["capture_to_ack_ms"].get("p50")
    rates = figures["scenarios"][figures["rates_of"]]
    host_ms, over_bare_ms = rates["host_cpus_ms"], rates["cpu_over_bare_ms"]
    return (
        way,
        f"{figures['eta']:.3f}",
        f"{figures['end_to_end_fps']:.2f}",
        f"{figures['engine_fps']:.2f}",
        *(f"{median(rounds):.2f} ({min(rounds):.1f} to {max(rounds):.1f})" for rounds in (host_ms, over_bare_ms)),
        f"{frame['p50']:.1f}",
        f"{frame['p99']:.1f}",
        f"{frame['p99'] / frame['p50']:.3f}",
        f"{engine['p99'] / engine['p50']:.3f}",
        "-" if ack is None else f"{ack:.1f}",
        str(figures["frames"]),
    )


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    cells = list(header)
    yield f"| {' | '.join(cells)} |"
    yield f"|{'---|' * len(cells)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
