"""The figures of `fissura bench` for a person, in the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from fissura.table import format_table

PERCENTILES = ("p50", "p90", "p99", "p999")
HEADER = ("ms", "p50", "p90", "p99", "p99.9")
NAMES = {"throughput": "throughput", "singlestream": "SingleStream"}


def as_text(figures: dict[str, Any]) -> str:
    """All that matters, in a screenful."""
    parts = ["\n".join(headlines(figures)), format_table(HEADER, list(latency_rows(figures)), right=range(1, 5))]
    parts.append("\n".join(notes(figures)))
    return "\n\n".join(parts)


def as_markdown(figures: dict[str, Any]) -> str:
    """The same, with what it depends on."""
    lines = [f"# fissura bench: {figures['bundle']}", "", *(f"- {line}" for line in headlines(figures)), ""]
    lines += [*_table(HEADER, latency_rows(figures)), "", *(f"- {line}" for line in notes(figures)), ""]
    lines += [*_table(("condition", "value"), condition_rows(figures)), ""]
    return "\n".join(lines)


def headlines(figures: dict[str, Any]) -> Iterator[str]:
    """One line a fact, the most important first."""
    for name, one in figures["scenarios"].items():
        beside = f"{one['host_cpu_ms']:.1f} ms of processor a frame beside the engine"
        yield (
            f"{NAMES[name]}: eta {one['eta']:.3f}, {one['fps']:.1f} frames/s of the bare engine's "
            f"{figures['engine_fps']:.1f}, {beside}"
        )
    width, height = figures["frame_px"]
    yield (
        f"{figures['bundle']}, {figures['mode']}, {figures['precision']}, "
        f"frames {width}x{height} ({figures['frames_from']}), {figures['engine']}, "
        f"{figures['threads'] or 'all'} thread(s), {figures['processor']}"
    )
    yield f"{figures['frames']} frames in {figures['rounds']} rounds, {_drops(figures)}, {_sent(figures)}"
    cold = figures["cold_start"]
    if cold is not None:
        ack = "" if cold["ack_s"] is None else f", {cold['ack_s']:.2f} s to its acknowledgement"
        yield f"cold start: {cold['result_s']:.2f} s to the first result{ack}"
    memory = f"memory: {figures['peak_rss_mb']:.0f} MB at most"
    yield memory if figures["rss_mb"] is None else f"{memory}, {figures['rss_mb']:.0f} MB at the end"
    if figures["energy"]:
        rails = (
            f"{rail} {one['watts']:.1f} W, {one['joules_a_frame']:.2f} J" for rail, one in figures["energy"].items()
        )
        yield f"energy a frame: {'; '.join(rails)}"


def latency_rows(figures: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """Latencies of the engine, of each scenario, and of its stages in the order of a frame."""
    yield _row("bare engine", figures["engine_ms"])
    for name, one in figures["scenarios"].items():
        yield _row(f"{NAMES[name]}: frame", one["frame_ms"])
        yield _row(f"{NAMES[name]}: capture to ack", one["capture_to_ack_ms"])
    for stage, values in figures["stage_ms"].items():
        yield _row(f"{NAMES[figures['latencies_of']]}: {stage}", values)


def notes(figures: dict[str, Any]) -> Iterator[str]:
    """How to read the table."""
    if "singlestream" in figures["scenarios"]:
        p90 = figures["scenarios"]["singlestream"]["frame_ms"].get("p90")
        yield f"SingleStream's figure, as MLPerf has it, is the p90 of a frame: {_number(p90)} ms"
    each = figures["rounds"] * figures["frames_a_part"]
    rare = f"; of so few, p99.9 is hardly below the slowest (--frames {1000} and more)" if each < 1000 else ""
    yield f"percentiles are over all {each} frames of a scenario, none forgotten{rare}"
    if "throughput" in figures["scenarios"]:
        yield "throughput: frames wait in a queue, which capture to ack has in it"


def condition_rows(figures: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What the figures depend on."""
    for name in ("processor", "engine", "threads", "precision", "mode", "frame_px", "frames_from", "output"):
        yield name, _words(figures[name])
    yield "bundle", f"{figures['bundle']} {figures['bundle_id'][:12]}"
    for name in ("engine_options", "load_average", "clocks_mhz", "temperatures_c", "throttled"):
        yield name, _words(figures[name])
    yield "versions", _words({name: value for name, value in figures["versions"].items() if value is not None})
    yield "flags", " ".join(figures["flags"])


def _drops(figures: dict[str, Any]) -> str:
    return ", ".join(f"{number} dropped: {cause}" for cause, number in figures["drops"].items()) or "none dropped"


def _sent(figures: dict[str, Any]) -> str:
    if figures["published"] is None:
        return "no mosquitto here: detections written to a file"
    return f"{figures['published']} messages published, {figures['acknowledged']} acknowledged"


def _row(name: str, values: dict[str, float]) -> tuple[str, ...]:
    return (name, *(_number(values.get(key)) for key in PERCENTILES))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(one)}" for name, one in value.items()) or "none"
    if isinstance(value, list):
        return " / ".join(_words(one) for one in value)
    return "not known" if value is None else str(value)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|---|{'---:|' * (len(header) - 1)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '/') for cell in row)} |"
