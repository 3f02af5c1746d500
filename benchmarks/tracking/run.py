"""What tracking is worth: messages and events against sightings and true cracks, and what it costs.

    python benchmarks/tracking/run.py [BUNDLE]

runs a bundle's segmentation graph (default: the shipped model) on synthetic fly-overs and on pans over photographs of
CFD, tracks what it finds, frame by frame and with fused frames, and does the same with the true masks in place of the
model: then all that is counted too often is the tracker's own. It writes `benchmarks/results/tracking/`: `result.json`
and `README.md`. It needs FISSURA_DATA for the photographs; without it only the fly-overs are counted.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from page import page
from tally import Tally
from truth import Truth

from edge_runtime.camera_motion import CameraMotion
from edge_runtime.detections import detections_of
from edge_runtime.frame import Frame
from edge_runtime.fusion import FusionConfig, TemporalFusion
from edge_runtime.inference import open_inference
from edge_runtime.model import Model, model_of
from edge_runtime.registration import Motion, RegistrationConfig
from edge_runtime.stages import StageTimes
from edge_runtime.tracker import Tracker
from fissura.bundle import load_bundle
from fissura.dataset import data_folder, load_dataset
from fissura.files import write_text
from fissura.imaging.decode import find_cracks
from fissura.imaging.implementation import fastest
from fissura.messages import Detection
from fissura.synth import SynthConfig
from fissura.synth.flyover import FlyoverConfig, FlyoverFrame, fly
from fissura.synth.pans import pans

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "tracking"
PAVEMENT = SynthConfig(cracks=(2, 4), crack_free=0, width_mm=(1.0, 6.0), joints=0, lane_paint=0)
CAMERA = FlyoverConfig(noise=0.03, distractors=0.5, speed_px=8)
FUSED_FRAMES = 4
IMPLEMENTATION = fastest()

Map = NDArray[np.float32]


@dataclass
class Costs:
    """CPU milliseconds of each frame, one thread."""

    register: list[float] = field(default_factory=list)
    track: list[float] = field(default_factory=list)

    def result(self) -> dict[str, float]:
        """Medians, and what the slowest frames of twenty take."""
        return {
            f"{name}_{word}": round(float(np.percentile(taken, share)), 2)
            for name, taken in (("register", self.register), ("track", self.track))
            for word, share in (("median", 50), ("p95", 95))
        }


def clips(seed: int, flights: int, photographs: int) -> dict[str, list[list[FlyoverFrame]]]:
    """Fly-overs, and pans over photographs."""
    found = {"fly-over": [list(fly(CAMERA, PAVEMENT, seed + number)) for number in range(flights)]}
    folder = data_folder()
    if folder is not None:
        found["pan cfd"] = pans(load_dataset(folder / "cfd", "test"), photographs, CAMERA, seed)
    return found


def motions_of(clip: Sequence[FlyoverFrame], costs: Costs) -> list[Motion | None]:
    """How the picture moves into each frame, as a run finds it."""
    camera, found = CameraMotion(RegistrationConfig()), []
    for frame in clip:
        began = time.process_time()
        found.append(camera.of(frame.image))
        costs.register.append(1e3 * (time.process_time() - began))
    return found


def track(
    clip: Sequence[FlyoverFrame],
    maps: Sequence[Map],
    motions: Sequence[Motion | None],
    model: Model,
    fusion: TemporalFusion | None,
    costs: Costs,
) -> tuple[list[Detection], list[Detection]]:
    """All sightings of a clip, and what is told of them."""
    tracker, seen, told = Tracker(), list[Detection](), list[Detection]()
    threshold = model.stamp.threshold
    for number, (flown, found, motion) in enumerate(zip(clip, maps, motions, strict=True)):
        size = (flown.mask.shape[0], flown.mask.shape[1])
        low = model.low_threshold
        if fusion is not None:
            found, low = fusion.update(size, found, threshold, motion, low_threshold=low), None
        cracks = find_cracks(found, threshold=threshold, low_threshold=low, implementation=IMPLEMENTATION)
        frame = Frame(flown.image, number, datetime.now(timezone.utc), "file", number, "clip")
        sightings = detections_of(frame, cracks, model.stamp, "bench", "bench")
        began = time.process_time()
        tracked = tracker.update(sightings, motion, size)
        costs.track.append(1e3 * (time.process_time() - began))
        seen += tracked.seen
        told += tracked.told
    return seen, told + tracker.finish()


def main() -> None:
    """Run, count, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", nargs="?", type=Path, default=ROOT / "examples" / "bundles" / "tiny")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--flights", type=int, default=6, help="synthetic fly-overs (default: 6)")
    parser.add_argument("--photographs", type=int, default=8, help="of CFD (default: 8)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="result folder")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    began = time.process_time()
    bundle = load_bundle(arguments.bundle)
    inference = open_inference(bundle, "segmentation", "onnxruntime", {"threads": 1})
    model, times = model_of(bundle, inference), StageTimes()
    scored: dict[str, dict[str, dict[str, float | int]]] = {}
    costs: dict[str, dict[str, float]] = {}
    for name, group in clips(arguments.seed, arguments.flights, arguments.photographs).items():
        cost = Costs()
        tallies = {"true masks": Tally(), "model": Tally(), "model, fused": Tally()}
        for clip in group:
            truth, motions = Truth(clip), motions_of(clip, cost)
            maps = [inference.run(frame.image, times).copy() for frame in clip]
            for label, given, fusion in (
                ("true masks", [frame.mask.astype(np.float32) for frame in clip], None),
                ("model", maps, None),
                ("model, fused", maps, TemporalFusion(FusionConfig(frames=FUSED_FRAMES))),
            ):
                tallies[label].add(truth, len(clip), *track(clip, given, motions, model, fusion, cost))
        scored[name] = {label: tally.result() for label, tally in tallies.items()}
        costs[name] = cost.result()
    inference.close()
    result = {
        "bundle": bundle.manifest.name,
        "threshold": model.stamp.threshold,
        "seed": arguments.seed,
        "camera": CAMERA.model_dump(),
        "pavement": PAVEMENT.model_dump(),
        "counts": scored,
        "cpu_ms": costs,
        "cpu_seconds": round(time.process_time() - began, 1),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in ("numpy", "onnxruntime")}},
        "opencv": cv2.__version__,
        "machine": platform.machine(),
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_text(arguments.out / "result.json", json.dumps(result, indent=1) + "\n")
    write_text(arguments.out / "README.md", page(result))
    print(page(result))


if __name__ == "__main__":
    main()
