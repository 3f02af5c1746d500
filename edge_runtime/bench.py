"""`fissura bench`: what the pipeline reaches of its bare engine, and where the rest of the time goes."""

from __future__ import annotations

import argparse
import json
import platform
import resource
import tempfile
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edge_runtime.arguments import at_least, engine_option, frame_size
from edge_runtime.cli import model_stamp
from edge_runtime.counters import Counters
from edge_runtime.engines import ENGINES
from edge_runtime.engines.engine import MOST_THREADS
from edge_runtime.inference import WHOLE, offered_modes, open_inference
from edge_runtime.local_broker import LocalBroker, find_mosquitto
from edge_runtime.measuring import Pairs, measure_pairs, warm_up
from edge_runtime.pipeline import Task
from edge_runtime.probe import processor
from edge_runtime.sinks import open_sink
from edge_runtime.sinks.sink import Sink, SinkContext
from edge_runtime.stages import StageTimes, percentiles
from edge_runtime.whole_frame import WholeFrame
from fissura.bundle import Bundle, load_bundle
from fissura.synth import SynthConfig, render
from fissura.table import format_table

SERIAL = "bench"
SCENES = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("bundle", type=Path, metavar="BUNDLE", help="the model, made by `fissura export`")
    add("--frames", type=at_least(1, int), default=140, metavar="N", help="in all pairs (default: %(default)s)")
    add("--pairs", type=at_least(1, int), default=7, metavar="N", help="engine and pipeline in turn (default: 7)")
    add("--size", type=frame_size, default=(320, 240), metavar="WxH", help="camera frame, pixels (default: 320x240)")
    add("--mode", choices=tuple(WHOLE), help="graphs that run (default: fused if the bundle has it)")
    add("--engine", choices=tuple(ENGINES), default="onnxruntime", help="(default: %(default)s)")
    threads = at_least(0, int, most=MOST_THREADS)
    add("--threads", type=threads, default=1, metavar="N", help="of the engine; 0: all cores (default: 1)")
    option = "of the engine, such as cuda_graph=false; may be repeated"
    add("--engine-option", action="append", type=engine_option, default=[], metavar="NAME=VALUE", help=option)
    add("--json", action="store_true", help="print the figures as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Measure and print; returns the exit code."""
    bundle = load_bundle(arguments.bundle)
    width, height = arguments.size
    with ExitStack() as stack:
        mode = arguments.mode or next((name for name in WHOLE if name in offered_modes(bundle)), None)
        options: dict[str, object] = {"threads": arguments.threads, **dict(arguments.engine_option)}
        whole = open_inference(bundle, mode, arguments.engine, options)
        assert isinstance(whole, WholeFrame)  # what names graphs is
        stack.callback(whole.close)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fissura-bench-")))
        counters, times = Counters(), StageTimes()
        context = SinkContext(SERIAL, "bench", bundle.id, counters, times)
        sink = _output(stack, folder, context)
        scenes = [render(SynthConfig(width=width, height=height), 0, index).image for index in range(SCENES)]
        task = Task(SERIAL, "bench", model_stamp(bundle, whole))
        warm_up(whole, scenes, sink, task)
        before = sink.totals()
        measured = measure_pairs(
            whole,
            scenes,
            sink,
            task,
            counters,
            times,
            frames=max(1, arguments.frames // arguments.pairs),
            pairs=arguments.pairs,
        )
        sink.close()
        sent = {name: number - before[name] for name, number in sink.totals().items()}
        figures = _figures(measured, counters, times, sent) | _conditions(bundle, whole, arguments.size, options)
    print(json.dumps(figures, indent=2) if arguments.json else _as_text(figures))
    return 0


def _output(stack: ExitStack, folder: Path, context: SinkContext) -> Sink:
    """A mosquitto of our own where it is installed, else a file."""
    if find_mosquitto() is None:
        return open_sink(f"jsonl:{folder / 'detections.jsonl'}", context)
    broker = stack.enter_context(LocalBroker(folder))
    sink = open_sink(f"mqtt://127.0.0.1:{broker.port}?spool={folder / 'spool.sqlite'}", context)
    stack.callback(sink.close)
    return sink


def _figures(measured: Pairs, counters: Counters, times: StageTimes, sent: dict[str, int]) -> dict[str, Any]:
    counts, latencies = counters.snapshot(), times.all()
    return {
        "eta": round(measured.eta, 4),
        "engine_fps": round(measured.engine_fps, 3),
        "end_to_end_fps": round(measured.end_to_end_fps, 3),
        "host_cpu_ms": round(measured.host_cpu_ms, 3),
        "engine_ms": percentiles(measured.engine_ms),
        "frame_ms": percentiles(latencies.pop("frame", [])),
        "stage_ms": {stage: percentiles(values) for stage, values in latencies.items()},
        "frames": counts.frames,
        "pairs": len(measured.engine_s),
        "drops": sum(counts.drops.values()),
        "sink_errors": sum(counts.sink_errors.values()),
        "detections": counts.detections,
        "published": sent.get("published"),
        "acknowledged": sent.get("acknowledged"),
        "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }


def _conditions(bundle: Bundle, whole: WholeFrame, size: tuple[int, int], options: dict[str, object]) -> dict[str, Any]:
    return {
        "frame_px": list(size),
        "mode": whole.mode,
        "threads": options["threads"],
        "engine": whole.engine,
        "engine_options": {name: value for name, value in options.items() if name != "threads"},
        "bundle": bundle.manifest.name,
        "bundle_id": bundle.id,
        "processor": processor(),
        "versions": {
            "fissura": version("fissura"),
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "opencv-python-headless", "paho-mqtt")},
        },
    }


def _as_text(figures: dict[str, Any]) -> str:
    """The figures for a person."""
    latencies = {"engine": figures["engine_ms"], "frame": figures["frame_ms"], **figures["stage_ms"]}
    rows = [(stage, *(f"{value:.2f}" for value in values.values())) for stage, values in latencies.items()]
    sent = "no mosquitto: written to a file" if figures["published"] is None else f"{figures['published']} published"
    return "\n".join(
        [
            f"eta {figures['eta']:.3f}: pipeline {figures['end_to_end_fps']:.1f} of engine "
            f"{figures['engine_fps']:.1f} frames/s, {figures['host_cpu_ms']:.1f} ms of processor a frame beside it",
            f"{figures['bundle']}, {figures['mode']}, camera frame {figures['frame_px'][0]}x{figures['frame_px'][1]}, "
            f"{figures['engine']}, {figures['threads'] or 'all'} thread(s), {figures['processor']}",
            f"{figures['frames']} frames in {figures['pairs']} pairs, {figures['drops']} dropped, {sent}, "
            f"{figures['rss_mb']:.0f} MB",
            "",
            format_table(("ms", "p50", "p90", "p99", "p99.9"), rows, right=(1, 2, 3, 4)),
        ]
    )
