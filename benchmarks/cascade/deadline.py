"""Whether the cascade keeps its deadline, for minutes, in the whole pipeline of `fissura run`.

    python benchmarks/cascade/deadline.py BUNDLE CLIP --budget-ms 200 [--seconds 300]

runs the pipeline (source, cascade, cracks, a file as output) over a clip's frames again and again with a budget, writes
`benchmarks/results/cascade/deadline.json`, and ends with 1 if the 99th percentile of the frame time is over 1.2 x the
budget. A frame's time is the pipeline's own stage `frame`, from the frame in hand to the last output.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import threading
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2

from edge_runtime.arguments import engine_option
from edge_runtime.budget import FrameBudget
from edge_runtime.camera import Camera
from edge_runtime.counters import Counters
from edge_runtime.engine_thread import EngineThread
from edge_runtime.engines import ENGINES
from edge_runtime.inference import CASCADE_HALO_PX, CASCADE_TILE_PX, TileOptions, open_inference
from edge_runtime.model import model_of
from edge_runtime.pipeline import Pipeline
from edge_runtime.probe import processor
from edge_runtime.sinks import open_sink
from edge_runtime.sinks.sink import SinkContext
from edge_runtime.sources import open_source
from edge_runtime.stages import StageTimes, percentiles
from edge_runtime.task import Task
from fissura.bundle import load_bundle
from fissura.errors import EXIT_CODE, FissuraError
from fissura.files import write_text

RESULTS = Path(__file__).parents[1] / "results" / "cascade"
SERIAL = "deadline"
BAR = 1.2
WARM_UP = 10  # frames, left out of the percentiles


class AllTimes(StageTimes):
    """Forgets no latency of the whole frame, however long the run."""

    def __init__(self) -> None:
        super().__init__()
        self.frame_ms: list[float] = []

    def add(self, stage: str, *milliseconds: float) -> None:
        super().add(stage, *milliseconds)
        if stage == "frame":
            self.frame_ms.extend(milliseconds)


def judge(frame_ms: list[float], budget_ms: float) -> dict[str, Any]:
    """Percentiles of the frame time, as multiples of the budget."""
    ratios = [value / budget_ms for value in frame_ms]
    found = percentiles(ratios)
    return {
        "frames": len(ratios),
        "of_budget": found,
        "most": round(max(ratios), 3),
        "over_budget": round(sum(ratio > 1 for ratio in ratios) / len(ratios), 4),
        "kept": found["p99"] <= BAR,
    }


def run(arguments: argparse.Namespace) -> int:
    """Run, write, judge; returns the exit code."""
    bundle = load_bundle(arguments.bundle)
    chosen: dict[str, object] = {"threads": arguments.threads, **dict(arguments.engine_option)}
    counters, times, budget = Counters(), AllTimes(), FrameBudget(arguments.budget_ms)
    with ExitStack() as stack:
        options = TileOptions(arguments.tile, arguments.halo, arguments.batch, arguments.proposal_threshold, budget)
        thread = stack.enter_context(EngineThread())
        inference = thread.call(lambda: open_inference(bundle, "cascade", arguments.engine, chosen, options))
        stack.callback(lambda: thread.call(inference.close))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="fissura-deadline-"))
        model = model_of(bundle, inference)
        context = SinkContext(SERIAL, "deadline", model.stamp, counters, times)
        sink = open_sink(f"jsonl:{Path(folder) / 'detections.jsonl'}", context)
        stack.callback(sink.close)
        source = open_source(f"folder:{arguments.clip / 'frames'}?loop=true")
        camera = Camera(source, "every_frame")
        pipeline = Pipeline([camera], model, thread, [sink], Task(SERIAL, "deadline"), counters, times, budget)
        timer = threading.Timer(arguments.seconds, pipeline.stop)
        timer.start()
        stack.callback(timer.cancel)
        pipeline.run()
        source.close()
    counts = counters.snapshot()
    facts = json.loads((arguments.clip / "clip.json").read_text(encoding="utf-8"))
    result = {
        "clip": {key: facts[key] for key in ("target_share", "mean_share", "width_px", "height_px", "scale")},
        "budget_ms": arguments.budget_ms,
        "seconds": arguments.seconds,
        **judge(times.frame_ms[WARM_UP:] or times.frame_ms, arguments.budget_ms),
        "bar": BAR,
        "stage_ms": {stage: percentiles(values) for stage, values in times.all().items()},
        "tiles_proposed": counts.tiles_proposed,
        "tiles_left_out": (counts.tiles_proposed or 0) - (counts.tiles_refined or 0),
        "drops": counts.drops,
        "bundle": {"name": bundle.manifest.name, "id": bundle.id},
        "engine": inference.engine,
        "engine_options": dict(arguments.engine_option),
        "threads": arguments.threads,
        "tile_px": arguments.tile,
        "halo_px": arguments.halo,
        "batch": arguments.batch,
        "proposal_threshold": arguments.proposal_threshold or bundle.graph("proposal").proposal_threshold,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "opencv-python-headless", "onnxruntime")},
        },
        "processor": processor(),
    }
    text = json.dumps(result, indent=2)
    write_text(arguments.out, text + "\n")
    print(text)
    return 0 if result["kept"] else 1


def main() -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("bundle", type=Path, help="with the graphs of mode cascade")
    add("clip", type=Path, help="folder made by clips.py")
    add("--budget-ms", type=float, required=True, help="of a frame")
    add("--seconds", type=float, default=300.0, help="(default: 300)")
    add("--tile", type=int, default=CASCADE_TILE_PX, help="side of a tile, camera pixels (default: %(default)s)")
    add("--halo", type=int, default=CASCADE_HALO_PX, help="context of a tile, camera pixels (default: %(default)s)")
    add("--batch", type=int, default=4, help="tiles at once (default: 4)")
    add("--proposal-threshold", type=float, help="of the cheap pass (default: the bundle's)")
    add("--engine", choices=tuple(ENGINES), default="onnxruntime", help="(default: %(default)s)")
    add("--threads", type=int, default=1, help="of the engine (default: 1)")
    add("--engine-option", action="append", type=engine_option, default=[], metavar="NAME=VALUE", help="of the engine")
    add("--out", type=Path, default=RESULTS / "deadline.json", help="result file")
    arguments = parser.parse_args()
    cv2.setNumThreads(max(1, arguments.threads))
    try:
        return run(arguments)
    except (FissuraError, OSError) as error:
        print(f"deadline: error: {error}", file=sys.stderr)
        return EXIT_CODE


if __name__ == "__main__":
    sys.exit(main())
