"""What temporal fusion is worth: cracks, false alarms and flicker, with and without it.

    python benchmarks/fusion/run.py MODEL

takes a bundle, a checkpoint or a run folder of `fissura train`, runs it on synthetic fly-overs and on pans over
photographs, and fuses its maps with the known motion, by phase correlation and by ECC, with a memory of 2, 4 and 8
frames. Evidence is relative to the threshold, so for the best F1 the maps are fused anew at each. It writes
`benchmarks/results/fusion/`: `result.json`, `README.md` and `fusion.png`. It needs FISSURA_DATA for the photographs;
without it only the fly-overs are scored.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import torch
from drawing import draw
from scores import Map, Pixels, Tally
from tables import page

from edge_runtime.fusion import EvidenceMap, FusionConfig
from edge_runtime.registration import Method, RegistrationConfig, Transform, register, view_of
from export.scoring import Predictor, open_model
from fissura.dataset import data_folder, load_dataset, read_sample
from fissura.errors import UsageError
from fissura.files import write_text
from fissura.metrics.counts import count_image
from fissura.metrics.ods import score
from fissura.synth import SynthConfig
from fissura.synth.flyover import FlyoverConfig, FlyoverFrame, fly
from fissura.synth.pans import pans

RESULTS = Path(__file__).parents[1] / "results" / "fusion"
FRAMES = (2, 4, 8)
PAVEMENT = SynthConfig(cracks=(2, 4), crack_free=0, width_mm=(1.0, 6.0), joints=0, lane_paint=0)
CAMERA = FlyoverConfig(noise=0.03, distractors=0.5, speed_px=8)
SOURCES = {"cfd": ("test", 5), "cracksc": ("test", 4), "uav75": ("test", 4), "non_crack": ("test", 4)}

THRESHOLDS = (0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9)
METHODS: tuple[Method, ...] = ("phase", "ecc", "ecc-homography")

Clip = Sequence[FlyoverFrame]
Motions = Sequence[Transform | None]


@dataclass(frozen=True)
class Variant:
    """How a clip's maps are fused: a memory of so many frames (None: not at all), and whose motions."""

    frames: int | None
    motions: str

    def fuse(self, maps: Sequence[Map], motions: Motions, threshold: float) -> list[Map]:
        """The fused map of each frame."""
        if self.frames is None:
            return list(maps)
        memory = EvidenceMap(FusionConfig(frames=self.frames))
        return [memory.add(found, threshold, motion) for found, motion in zip(maps, motions, strict=True)]


VARIANTS = {
    "single frame": Variant(None, "known"),
    **{f"known motion, {frames}": Variant(frames, "known") for frames in FRAMES},
    **{f"phase, {frames}": Variant(frames, "phase") for frames in FRAMES},
    **{f"ecc, {frames}": Variant(frames, "ecc") for frames in FRAMES},
    "no registration, 4": Variant(4, "none"),
}


def clips(seed: int, flights: int) -> dict[str, list[list[FlyoverFrame]]]:
    """Fly-overs, and pans over each set of photographs."""
    found = {"fly-over": [list(fly(CAMERA, PAVEMENT, seed + number)) for number in range(flights)]}
    folder = data_folder()
    if folder is not None:
        for name, (split, count) in SOURCES.items():
            found[f"pan {name}"] = pans(load_dataset(folder / name, split), count, CAMERA, seed)
    return found


def threshold_of(model: Predictor) -> float:
    """The bundle's; of a checkpoint, the best on 24 training images of CFD."""
    if model.threshold is not None:
        return model.threshold
    folder = data_folder()
    if folder is None:
        raise UsageError("a checkpoint has no threshold", expected="FISSURA_DATA, or a bundle", fix="give a bundle")
    samples = load_dataset(folder / "cfd", "train", drop=("042",)).samples[:24]
    pairs = [read_sample(sample) for sample in samples]
    return score([count_image(model.probability(image), mask, 2.0) for image, mask in pairs]).threshold


def motions_of(clip: Clip) -> dict[str, Motions]:
    """By its origin, the motion into each frame of a clip from the one before; None for the first."""
    views = [view_of(frame.image) for frame in clip]
    found: dict[str, Motions] = {"known": [None, *(frame.motion for frame in clip[1:])]}
    found["none"] = [None, *(np.eye(3) for _ in clip[1:])]  # as if the camera stood still
    for method in METHODS:
        config = RegistrationConfig(method=method)
        moved = [register(before, now, config) for before, now in pairwise(views)]
        found[method] = [None, *(None if motion is None else motion.transform for motion in moved)]
    return found


def registration(group: Sequence[Clip], motions: Sequence[dict[str, Motions]]) -> dict[str, dict[str, float | None]]:
    """How far each method is from the truth: error in pixels averaged over the frame, share refused."""
    result: dict[str, dict[str, float | None]] = {}
    for method in METHODS:
        pairs = [
            (motion, frame)
            for clip, moved in zip(group, motions, strict=True)
            for frame, motion in zip(clip[1:], moved[method][1:], strict=True)
        ]
        errors = [_error_px(motion, frame) for motion, frame in pairs if motion is not None]
        result[method] = {
            "error_px_median": round(float(np.median(errors)), 3) if errors else None,
            "error_px_p95": round(float(np.percentile(errors, 95)), 3) if errors else None,
            "refused_share": round(1 - len(errors) / max(1, len(pairs)), 4),
        }
    return result


def score_group(
    group: Sequence[Clip], maps: Sequence[Sequence[Map]], motions: Sequence[dict[str, Motions]], threshold: float
) -> dict[str, dict[str, float | None]]:
    """Scores of every variant."""
    result: dict[str, dict[str, float | None]] = {}
    has_cracks = any(frame.mask.any() for clip in group for frame in clip)
    for label, variant in VARIANTS.items():
        tally, sweep = Tally(), {level: Pixels() for level in THRESHOLDS if has_cracks}
        for clip, single, moved in zip(group, maps, motions, strict=True):
            tally.add_clip(clip, variant.fuse(single, moved[variant.motions], threshold), threshold)
            for level, pixels in sweep.items():
                pixels.add_clip(clip, variant.fuse(single, moved[variant.motions], level), level)
        best = max(sweep, key=lambda level: sweep[level].f1, default=None)
        result[label] = {
            "best_f1": None if best is None else round(sweep[best].f1, 4),
            "best_threshold": best,
            **tally.result(),
        }
    return result


def _error_px(transform: Transform, frame: FlyoverFrame) -> float:
    height, width = frame.mask.shape
    x, y = np.meshgrid(np.linspace(0, width - 1, 5), np.linspace(0, height - 1, 5))
    grid = np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    places = [matrix @ grid for matrix in (transform, frame.motion)]
    first, second = (place[:2] / place[2] for place in places)
    return float(np.hypot(*(first - second)).mean())


def costs(rounds: int = 12) -> dict[str, dict[str, float]]:
    """CPU milliseconds a frame of one thread, by frame size."""
    result = {}
    for width, height in ((480, 320), (1920, 1080)):
        flight = FlyoverConfig(width=width, height=height, frames=2, distractors=0)
        before, now = (frame.image for frame in fly(flight, PAVEMENT, 0))
        probability = np.zeros((height, width), np.float32)
        probability[::40] = 0.95
        views, row = (view_of(before), view_of(now)), {}
        row["reduce"] = _cpu_ms(lambda now=now: view_of(now), rounds)
        for method in METHODS:
            config = RegistrationConfig(method=method)
            row[method] = _cpu_ms(lambda views=views, config=config: register(*views, config), rounds)
        memory, shift = EvidenceMap(FusionConfig()), np.array([[1, 0, 3.3], [0, 1, 2.2], [0, 0, 1]])
        memory.add(probability, 0.5, None)
        row["evidence"] = _cpu_ms(lambda m=memory, p=probability, s=shift: m.add(p, 0.5, s), rounds)
        result[f"{width}x{height}"] = row
    return result


def _cpu_ms(call: Callable[[], object], rounds: int) -> float:
    call()
    taken = []
    for _ in range(rounds):
        began = time.process_time()
        call()
        taken.append(1e3 * (time.process_time() - began))
    return round(float(np.median(taken)), 2)


def main() -> None:
    """Run, score, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="bundle, checkpoint or run folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--flights", type=int, default=6, help="synthetic fly-overs (default: 6)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="result folder")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    began = time.process_time()
    model = open_model(arguments.model, None)
    if model.scale != 1:
        raise UsageError("the model enlarges its frames", expected="one that segments them at their own size")
    threshold = threshold_of(model)
    groups = clips(arguments.seed, arguments.flights)
    scored, registered = {}, {}
    for name, group in groups.items():
        maps = [[model.probability(frame.image).copy() for frame in clip] for clip in group]
        motions = [motions_of(clip) for clip in group]
        scored[name] = score_group(group, maps, motions, threshold)
        registered[name] = registration(group, motions)
    result = {
        "model": Path(arguments.model).name,
        "threshold": threshold,
        "seed": arguments.seed,
        "camera": CAMERA.model_dump(),
        "pavement": PAVEMENT.model_dump(),
        "clips": {name: {"clips": len(group), "frames": sum(map(len, group))} for name, group in groups.items()},
        "fusion": FusionConfig().model_dump(exclude={"frames"}) | {"registration": RegistrationConfig().model_dump()},
        "scores": scored,
        "registration": registered,
        "cpu_ms": costs(),
        "cpu_seconds": round(time.process_time() - began, 1),
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "opencv": cv2.__version__}
        | {"torch": version("torch")},
        "machine": platform.machine(),
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_text(arguments.out / "result.json", json.dumps(result, indent=2) + "\n")
    write_text(arguments.out / "README.md", page(result))
    draw(result, arguments.out / "fusion.png")
    print(page(result))


if __name__ == "__main__":
    main()
