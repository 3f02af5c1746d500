"""The results as a page."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import fill
from typing import Any

COLUMNS = (
    "",
    "frames/s",
    "bare engine's",
    "eta",
    "by plain loop's",
    "ms from result to result, p50",
    "p99",
    "p99/p50",
    "bare engine's",
    "processor ms a frame",
    "peak MB",
)
NOTES = (
    "Times count from the {warm_up}th result to the last one, and where something is published, to the last "
    "acknowledgement by a mosquitto on this machine (QoS 1). Each figure is the median of {rounds} rounds, in which "
    "all take turns; ratios are taken within a round.",
    "eta: frames a second divided by those of the same engine file, run back to back before and after it in the "
    "same process with the same number of threads.",
    "fissura is the command `fissura run` with its message store on disk: skeleton, length, width, outline and "
    "confidence of each crack, one message each, nothing dropped, every message acknowledged.",
    "The plain loop runs the same ONNX file: decode, infer, threshold, `findContours`, one JSON message a frame. It "
    "has no store, no skeletons, no widths.",
    "ultralytics takes `predict(stream=True)` with a network of its own that costs about as much ({networks}). Its "
    "weights are random, so that it finds nothing, and nothing is published: both are in its favour. Its memory is "
    "mostly PyTorch's.",
    "All decode the same video ({data}, {width}x{height}, MPEG-4) themselves, with the threads that OpenCV takes for "
    "that.",
)
WIDTH = 120


def markdown(results: dict[str, Any]) -> str:
    """A page with a table for each bundle."""
    parts = ["# Side by side", "", f"`{results['command']}`", ""]
    parts.append(f"{results['processor']}, {results['threads']} thread(s) of an engine, {results['made_utc'][:10]}.")
    for found in results["bundles"]:
        parts += ["", f"## {found['bundle']}", "", _cells(COLUMNS), _cells("---" for _ in COLUMNS)]
        parts += [_row(name, peer) for name, peer in found["peers"].items()]
    width, height = results["frame_px"]
    networks = ", ".join(
        f"{found['ultralytics_network']} of {found['ultralytics_ms']:.0f} ms beside the {found['ms']:.0f} ms of "
        f"{found['bundle']}"
        for found in results["bundles"]
    )
    warm_up = results["bundles"][0]["warm_up"]
    values = {"warm_up": warm_up, "rounds": results["rounds"], "networks": networks, "data": results["data"]}
    notes = (note.format(**values, width=width, height=height) for note in NOTES)
    parts += ["", *(fill(f"- {note}", WIDTH, subsequent_indent="  ") for note in notes), ""]
    parts += ["## Versions", ""]
    for name, peer in results["bundles"][0]["peers"].items():
        parts.append(f"- {name}: " + ", ".join(f"{what} {version}" for what, version in peer["versions"].items()))
    return "\n".join(parts) + "\n"


def _row(name: str, peer: dict[str, Any]) -> str:
    frame, engine = peer["frame_ms"], peer["engine_ms"]
    return _cells(
        (
            name,
            f"{peer['fps']:.2f}",
            f"{peer['engine_fps']:.2f}",
            f"{peer['eta']:.3f}",
            f"{peer['fps_by_plain_loop']:.3f}",
            f"{frame['p50']:.1f}",
            f"{frame['p99']:.1f}",
            f"{frame['p99'] / frame['p50']:.2f}",
            f"{engine['p99'] / engine['p50']:.2f}",
            f"{peer['cpu_ms']:.1f}",
            f"{peer['rss_mb']:.0f}",
        )
    )


def _cells(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
