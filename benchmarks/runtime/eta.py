"""What the whole pipeline reaches of its bare engine, on frames with exactly eight cracks, against the bars of the aim.

    python benchmarks/runtime/eta.py unet=BUNDLE light=BUNDLE [--quick]

measures as `fissura bench` does: in one process, engine and pipeline in turn, 7 rounds, every message acknowledged by a
mosquitto of its own. The frames are the images of CFD (FISSURA_DATA/cfd) in which the bundle finds exactly eight
cracks, at the threshold nearest to its own at which there are four such images. One thread of ONNX Runtime is judged;
two threads and OpenVINO (f32, and bf16 where it passes the golden frames) stand beside it, with fewer frames.

Writes `benchmarks/results/runtime/eta.json` and `eta.md`; ends with 1 where a bar is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from eta_page import as_markdown

from edge_runtime.bench.conditions import DeviceState, conditions
from edge_runtime.bench.figures import figures_of
from edge_runtime.bench.frames import synthetic_frames
from edge_runtime.bench.rig import Rig, Setting, open_rig
from edge_runtime.bench.rounds import SCENARIOS, measure_rounds
from edge_runtime.golden import golden_results
from edge_runtime.model import Model
from edge_runtime.run.cli import SWITCH_INTERVAL_S
from edge_runtime.stages import StageTimes
from fissura.bundle import Bundle, load_bundle
from fissura.errors import EXIT_CODE, FissuraError
from fissura.files import write_text
from fissura.imaging.decode import find_cracks
from fissura.imaging.images import RgbImage, read_rgb
from fissura.progress import progress

OUT = Path(__file__).parents[1] / "results" / "runtime"
CRACKS = 8
LEAST_SCENES = 4
SIZE = (480, 320)
THRESHOLDS = np.linspace(0.05, 0.95, 91)
ETA_BARS = {"unet": 0.95, "light": 0.85}
HOST_CPU_BAR_MS = 3.0
SCATTER_BAR = 1.25
FRAMES = {"unet": 100}  # of each part of a round
OTHER_FRAMES = 300
ROUNDS = 7


@dataclass(frozen=True)
class Way:
    """How a bundle is run; `judged` by the bars, or beside them with a share of the frames."""

    name: str
    kind: str
    options: dict[str, object]
    judged: bool = False


WAYS = (
    Way("ONNX Runtime, 1 thread", "onnxruntime", {"threads": 1}, judged=True),
    Way("ONNX Runtime, 2 threads", "onnxruntime", {"threads": 2}),
    Way("OpenVINO f32, 1 thread", "openvino", {"threads": 1}),
    Way("OpenVINO bf16, 1 thread", "openvino", {"threads": 1, "precision": "bf16"}),
)
BESIDE = 10  # times fewer frames


def main() -> int:
    """Measure, judge and write; returns the exit code."""
    arguments = _arguments()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    cv2.setNumThreads(1)
    try:
        bundles = {name: load_bundle(path) for name, path in arguments.bundles}
        results: dict[str, Any] = {
            "made_utc": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "command": " ".join(["python", "benchmarks/runtime/eta.py", *sys.argv[1:]]),
            "load_average": list(os.getloadavg()),
            "bundles": {name: _measure(name, bundle, arguments) for name, bundle in bundles.items()},
        }
    except (FissuraError, OSError) as error:
        print(f"eta: error: {error}", file=sys.stderr)
        return EXIT_CODE
    write_text(arguments.out / "eta.json", json.dumps(results, indent=2) + "\n")
    page = as_markdown(results)
    write_text(arguments.out / "eta.md", page)
    print(page)
    verdicts = [verdict for found in results["bundles"].values() for verdict in found["verdicts"]]
    return 0 if all(verdict["kept"] for verdict in verdicts) else 1


def _measure(name: str, bundle: Bundle, arguments: argparse.Namespace) -> dict[str, Any]:
    """Every way of a bundle, and the verdicts."""
    found: dict[str, Any] = {"ways": {}, "not_measured": {}, "verdicts": []}
    threshold, scenes = None, list[RgbImage]()
    for way in progress(WAYS, f"{name}:", len(WAYS)):
        reason = _not_fit(bundle, way)
        if reason:
            found["not_measured"][way.name] = reason
            continue
        setting = Setting(None, way.kind, way.options, None)
        with open_rig(bundle, setting) as rig:
            if not scenes:
                threshold, scenes, origin = _scenes(rig, arguments.data)
                found |= {"threshold": threshold, "bundle_threshold": rig.whole.threshold, "frames_from": origin}
            rig = replace(rig, model=rig.model.at(threshold))
            frames = max(1, FRAMES.get(name, OTHER_FRAMES) // (1 if way.judged else BESIDE) // arguments.fewer)
            state = DeviceState()
            measured = measure_rounds(rig, scenes, SCENARIOS, frames=frames, rounds=ROUNDS)
            figures = figures_of(measured) | state.figures() | conditions(bundle, rig, setting, scenes, origin)
        found["ways"][way.name] = figures
        if way.judged:
            found["verdicts"] = list(_verdicts(name, figures))
    return found


def _not_fit(bundle: Bundle, way: Way) -> str:
    """Why a way is not measured; empty: it is."""
    try:
        if way.judged or all(result.passed for result in golden_results(bundle, way.kind, way.options)):
            return ""
    except FissuraError as error:
        return error.found
    return "does not pass the golden frames"


def _scenes(rig: Rig, data: Path | None) -> tuple[float, list[RgbImage], str]:
    """Frames with exactly eight cracks, the threshold at which they have them, and the rule in words."""
    images = [] if data is None else sorted((data / "cfd" / "images").glob("*.jpg"))
    frames = [frame for frame in map(read_rgb, images) if frame.shape[:2] == (SIZE[1], SIZE[0])]
    maps = rig.thread.call(lambda: [rig.whole.run(frame, StageTimes()) for frame in frames])
    for threshold in sorted(THRESHOLDS, key=lambda threshold: abs(threshold - rig.whole.threshold)):
        model = rig.model.at(float(threshold))
        chosen = [number for number, found in enumerate(maps) if _cracks(model, found) == CRACKS]
        if len(chosen) >= LEAST_SCENES:
            rule = (
                f"{len(chosen)} of {len(frames)} images of cfd: those with exactly {CRACKS} cracks at {threshold:.2f}"
            )
            return float(threshold), [frames[number] for number in chosen], rule
    return rig.whole.threshold, synthetic_frames(SIZE), "synthetic: no four images have exactly eight cracks"


def _cracks(model: Model, probability: np.ndarray[Any, np.dtype[np.float32]]) -> int:
    found = find_cracks(
        probability,
        threshold=model.stamp.threshold,
        low_threshold=model.low_threshold,
        temperature=model.inference.temperature,
        scale=model.inference.scale,
    )
    return len(found)


def _verdicts(name: str, figures: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each bar: what was found, what is asked for, whether it is kept."""

    def verdict(what: str, found: float, asked: str, kept: bool) -> dict[str, Any]:
        return {"what": what, "found": round(found, 4), "asked": asked, "kept": kept}

    if name in ETA_BARS:
        bar = ETA_BARS[name]
        yield verdict("eta", figures["eta"], f">= {bar}", figures["eta"] >= bar)
    cpu_ms = figures["host_cpu_ms"]
    yield verdict("host CPU of the threads, ms a frame", cpu_ms, f"<= {HOST_CPU_BAR_MS}", cpu_ms <= HOST_CPU_BAR_MS)
    bar = SCATTER_BAR * _scatter(figures["engine_ms"])
    for scenario, found in figures["scenarios"].items():
        scatter = _scatter(found["frame_ms"])
        yield verdict(f"p99/p50 of a frame, {scenario}", scatter, f"<= {bar:.3f}", scatter <= bar)
    drops = sum(figures["drops"].values()) + figures["sink_errors"]
    yield verdict("frames dropped", drops, "0", drops == 0)
    if figures["published"] is not None:
        lacking = figures["published"] - figures["acknowledged"]
        yield verdict("messages without acknowledgement", lacking, "0", lacking == 0)
    cracks = figures["detections"] / figures["frames"]
    yield verdict("cracks a frame", cracks, str(CRACKS), cracks == CRACKS)


def _scatter(milliseconds: dict[str, float]) -> float:
    return milliseconds["p99"] / milliseconds["p50"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("bundles", nargs="+", type=_named, metavar="NAME=DIR", help=f"bundles; {', '.join(ETA_BARS)} have a bar of eta")
    add("--quick", dest="fewer", action="store_const", const=10, default=1, help="a tenth of the frames: a trial")
    add("--out", type=Path, default=OUT, metavar="DIR", help="(default: benchmarks/results/runtime)")
    arguments = parser.parse_args()
    data = os.environ.get("FISSURA_DATA")
    arguments.data = None if data is None else Path(data)
    return arguments


def _named(text: str) -> tuple[str, Path]:
    name, equals, folder = text.partition("=")
    if not (name and equals and folder):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected NAME=DIR such as light=bundles/light")
    return name, Path(folder)


if __name__ == "__main__":
    sys.exit(main())
