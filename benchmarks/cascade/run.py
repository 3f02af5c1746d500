"""What the cascade saves and what it loses, against the whole frame at full scale.

    python benchmarks/cascade/run.py BUNDLE CLIP...

runs `full`, `lr-only` and `cascade` (at several proposal thresholds, halos and budgets) over clips that
`benchmarks/cascade/clips.py` made, all variants in turn on every frame, in one process, with one number of engine
threads. It writes `benchmarks/results/cascade/`: `result.json`, `README.md`, `recall-over-time.png` and
`recall-over-budget.png`, and ends with 1 unless some variant keeps at least 95 % of what `full` finds
in at most 35 % of its time on the clip with cracks in 10 % of the tiles.

Recall here is the share of the crack pixels of `full` that lie within 2 px of a crack pixel of the variant, at full
scale. Cracks are what the runtime reports: those of at least 10 camera pixels. A frame's time is that from the camera
frame to the probability map; relative times are medians over the frames' own ratios, so that what else the machine
does hits both alike.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
from clips import ClipFrame, read_clip
from modes import Outcome, Runner, Variant
from quality import TOLERANCE_PX, Agreement, CrackMap, agreement
from report import draw_budgets, draw_times, markdown

from edge_runtime.engines import ENGINES
from edge_runtime.inference import CASCADE_HALO_PX, CASCADE_TILE_PX
from edge_runtime.probe import processor
from edge_runtime.tiles import TileCounts
from fissura.bundle import load_bundle
from fissura.errors import EXIT_CODE, ConfigError, FissuraError
from fissura.files import write_text
from fissura.progress import progress

RESULTS = Path(__file__).parents[1] / "results" / "cascade"
FULL = Variant("full")
BAR_SHARE, RECALL_BAR, TIME_BAR = 0.1, 0.95, 0.35
TILES = ("total", "proposed", "refined", "left_out")
THRESHOLDS = (0.02, 0.05, 0.1, 0.2, 0.4)
HALOS = (0, 4, 8, 16)
BUDGETS = (0.1, 0.15, 0.2, 0.3, 0.5)


@dataclass(frozen=True)
class Run:
    """One variant on one frame."""

    frame: str
    variant: Variant
    ms: float
    of_full_ms: float
    tiles: TileCounts | None
    against_full: Agreement
    against_truth: Agreement


def measure(runners: Sequence[Runner], frames: Sequence[ClipFrame], rounds: int, seed: int) -> list[Run]:
    """Run every variant on every frame, in an order that is drawn anew each time.

    Args:
        runners: the first one is `full`.
        frames: of one clip.
        rounds: how often.
        seed: of the order.
    """
    order = random.Random(seed)
    runs: list[Run] = []
    for frame in progress([frame for _ in range(rounds) for frame in frames], "frame", rounds * len(frames)):
        outcomes: dict[Variant, Outcome] = {}
        for runner in order.sample(runners, len(runners)):
            outcomes[runner.variant] = runner.run(frame.image)
        full = outcomes[runners[0].variant]
        of_full, truth = CrackMap(full.crack), CrackMap(frame.truth)
        for variant, outcome in outcomes.items():
            found = CrackMap(outcome.crack)
            agreements = agreement(found, of_full), agreement(found, truth)
            runs.append(Run(frame.name, variant, outcome.ms, outcome.ms / full.ms, outcome.tiles, *agreements))
    return runs


def summarise(runs: Sequence[Run], variant: Variant) -> dict[str, Any]:
    """One variant on one clip."""
    own = [run for run in runs if run.variant == variant]
    tiles = [run.tiles for run in own if run.tiles]
    return {
        "variant": variant.label,
        **asdict(variant),
        "ms": round(statistics.median(run.ms for run in own), 2),
        "time_of_full": round(statistics.median(run.of_full_ms for run in own), 4),
        "time_of_full_quartiles": [round(value, 4) for value in _quartiles([run.of_full_ms for run in own])],
        "tiles": {name: _mean(getattr(count, name) for count in tiles) for name in TILES} if tiles else None,
        "against_full": sum((run.against_full for run in own), Agreement()).figures(),
        "against_truth": sum((run.against_truth for run in own), Agreement()).figures(),
    }


def passes(row: dict[str, Any]) -> bool:
    """Whether a summary keeps the recall within the time."""
    within = row["against_full"]["recall"] >= RECALL_BAR and row["time_of_full"] <= TIME_BAR
    return within and row["mode"] == "cascade"


def _mean(values: Iterable[int]) -> float:
    return round(statistics.fmean(values), 1)


def _quartiles(values: Sequence[float]) -> tuple[float, float]:
    first, _, third = statistics.quantiles(values if len(values) > 1 else [*values, *values], n=4, method="inclusive")
    return first, third


def _variants(arguments: argparse.Namespace, own_threshold: float, full_ms: float) -> list[Variant]:
    """`lr-only`, and the cascade: thresholds at one halo, halos and budgets at one threshold."""
    thresholds = sorted({*arguments.thresholds, own_threshold})
    halos = [halo for halo in arguments.halos if halo != arguments.halo]
    return [
        Variant("lr-only"),
        *(Variant("cascade", threshold, arguments.halo) for threshold in thresholds),
        *(Variant("cascade", own_threshold, halo) for halo in halos),
        *(Variant("cascade", own_threshold, arguments.halo, share * full_ms) for share in arguments.budgets),
    ]


def _run_row(run: Run) -> dict[str, Any]:
    return {
        "frame": run.frame,
        "variant": run.variant.label,
        "ms": round(run.ms, 3),
        "tiles": run.tiles and {name: getattr(run.tiles, name) for name in TILES},
        "recall_of_full": round(run.against_full.recall.value, 4),
    }


def run(arguments: argparse.Namespace) -> int:
    """Measure, write, judge; returns the exit code."""
    bundle = load_bundle(arguments.bundle)
    clips = {folder.name: read_clip(folder) for folder in arguments.clips}
    for name, (facts, _) in clips.items():
        if facts["scale"] != bundle.manifest.scale:
            raise ConfigError(
                f"clip {name} has scale {facts['scale']}", expected=f"the bundle's {bundle.manifest.scale}"
            )
    result: dict[str, Any] = {"clips": {}}
    with ExitStack() as stack:

        def load(variant: Variant) -> Runner:
            settings = (arguments.engine, arguments.threads, arguments.tile, arguments.batch, arguments.decision)
            runner = Runner(bundle, variant, *settings)
            stack.callback(runner.close)
            return runner

        warm = [frame.image for frame in next(iter(clips.values()))[1]]
        full = load(FULL)
        full_ms = statistics.median(full.run(warm[index % len(warm)]).ms for index in range(3))
        own = arguments.at or bundle.graph("proposal").proposal_threshold
        assert own is not None  # the manifest refuses a proposal without one
        runners = [full, *(load(variant) for variant in _variants(arguments, own, full_ms))]
        for runner in runners:
            for image in warm[:2]:
                runner.run(image)
        for name, (facts, frames) in clips.items():
            runs = measure(runners, frames, arguments.rounds, seed=0)
            rows = [summarise(runs, runner.variant) for runner in runners]
            about = {key: facts[key] for key in ("target_share", "mean_share", "tile_px", "kernel", "seed", "lists")}
            result["clips"][name] = {**about, "summary": rows, "runs": [_run_row(run) for run in runs]}
    facts = next(iter(clips.values()))[0]
    result |= {
        "bundle": {"name": bundle.manifest.name, "id": bundle.id, "scale": bundle.manifest.scale},
        "frame_px": [facts["width_px"], facts["height_px"]],
        "tile_px": arguments.tile,
        "halo_px": arguments.halo,
        "proposal_threshold": own,
        "decision_threshold": arguments.decision or bundle.graph("tile").threshold,
        "batch": arguments.batch,
        "tolerance_px": TOLERANCE_PX,
        "rounds": arguments.rounds,
        "engine": arguments.engine,
        "threads": arguments.threads,
        "bars": {"target_share": BAR_SHARE, "recall": RECALL_BAR, "time_of_full": TIME_BAR},
        "passing": _passing(result["clips"]),
        "command": "python benchmarks/cascade/run.py BUNDLE CLIP...",
        "options": {name: value for name, value in vars(arguments).items() if name not in ("bundle", "clips", "out")},
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "opencv-python-headless", "onnxruntime")},
        },
        "processor": processor(),
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_text(arguments.out / "result.json", json.dumps(result, indent=1) + "\n")
    text = markdown(result)
    write_text(arguments.out / "README.md", text)
    draw_times(result, arguments.out / "recall-over-time.png")
    draw_budgets(result, arguments.out / "recall-over-budget.png")
    print(text)
    return 0 if result["passing"] else 1


def _passing(clips: dict[str, Any]) -> list[str]:
    at_bar = (clip for clip in clips.values() if abs(clip["target_share"] - BAR_SHARE) < 1e-9)
    return [row["variant"] for clip in at_bar for row in clip["summary"] if passes(row)]


def main() -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("bundle", type=Path, help="with the graphs of the modes full, lr-only and cascade")
    add("clips", type=Path, nargs="+", help="folders made by clips.py")
    add("--rounds", type=int, default=2, help="over all frames (default: %(default)s)")
    add("--at", type=float, help="proposal threshold of the halos and budgets (default: the bundle's)")
    add("--thresholds", type=float, nargs="+", default=THRESHOLDS, help=f"and that of --at (default: {THRESHOLDS})")
    add("--halo", type=int, default=CASCADE_HALO_PX, help="context of a tile, camera pixels (default: %(default)s)")
    add("--halos", type=int, nargs="+", default=HALOS, help=f"at the threshold of --at (default: {HALOS})")
    add("--budgets", type=float, nargs="+", default=BUDGETS, help=f"as shares of full's time (default: {BUDGETS})")
    add("--tile", type=int, default=CASCADE_TILE_PX, help="side of a tile, camera pixels (default: %(default)s)")
    add("--decision", type=float, help="threshold of what is reported (default: the bundle's)")
    add("--batch", type=int, default=4, help="tiles at once (default: 4)")
    add("--engine", choices=tuple(ENGINES), default="onnxruntime", help="(default: %(default)s)")
    add("--threads", type=int, default=1, help="of the engine (default: 1)")
    add("--out", type=Path, default=RESULTS, help="result folder")
    arguments = parser.parse_args()
    cv2.setNumThreads(arguments.threads)
    try:
        return run(arguments)
    except (FissuraError, OSError) as error:
        print(f"cascade: error: {error}", file=sys.stderr)
        return EXIT_CODE


if __name__ == "__main__":
    sys.exit(main())
