"""Paper 004's table 1: all variants trained on one data set, scored by protocol `cssr`, beside the paper's figures.

    python benchmarks/cssr/run.py [--scale cpu] [--jobs N]

trains `paper004/deepcrack256-*` into `runs/`, N at a time (what is there already is taken), composes two more models
that need no training, and runs `fissura eval --protocol cssr` over all. It writes `benchmarks/results/cssr/`:
`cssr.json`, `table.md`, `iou-threshold.png`, `comparison.md` and `runs.json`. FISSURA_DATA names the data sets.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edge_runtime.probe import gpus, processor
from fissura.files import write_text
from train.checkpoint import load_checkpoint, save_checkpoint
from train.model import ModelConfig, build_model
from train.start import StartConfig, start_from

RESULTS = Path(__file__).parents[1] / "results" / "cssr"
DATA, SPLIT = "deepcrack256", "test_clean"
RECIPE = "paper004/deepcrack256-"
BICUBIC = {"name": "interpolation", "scale": 4, "kernel": "bicubic"}


@dataclass(frozen=True)
class Row:
    """A row of table 1.

    Attributes:
        name: as the paper has it.
        recipe: what is trained, or, of a composed model, what its segmentation is taken from.
        psnr_db, aiu, max_iou: the paper's; None where it gives none.
        enlarges: of a composed model: the recipe of its super-resolution, or "bicubic".
    """

    name: str
    recipe: str
    psnr_db: float | None = None
    aiu: float | None = None
    max_iou: float | None = None
    enlarges: str | None = None


# The paper's printed table has lost (d)'s AIU.
SUPER_RESOLUTION = "super-resolution"
ROWS = (
    Row("(a) SS in HR", "high-resolution", aiu=0.525, max_iou=0.587),
    Row("(b) bicubic -> SS", "bicubic-first", psnr_db=27.6, aiu=0.243),
    Row("(b') bicubic -> SS of (a)", "high-resolution", enlarges="bicubic"),
    Row("(c) SS -> bicubic", "bicubic-after", aiu=0.447),
    Row("(d) SR -> SS", "separate", psnr_db=29.0),
    Row("(d') SR -> SS of (a)", "high-resolution", enlarges=SUPER_RESOLUTION),
    Row("(e) SS -> SR", "inverse-separate", aiu=0.499),
    Row("(f) CSSR (SR -> SS)", "joint-bc2", psnr_db=28.5, aiu=0.518, max_iou=0.571),
    Row("(f') CSSR from (d')", "joint-tuned"),
    Row("(g) CSSR (SS -> SR)", "inverse-joint", aiu=0.558),
)

STARTS = {  # what a recipe starts from
    "separate": {"super_resolution": SUPER_RESOLUTION},
    "joint-bc2": {"super_resolution": SUPER_RESOLUTION},
    "joint-tuned": {"super_resolution": SUPER_RESOLUTION, "segmentation": "high-resolution"},
    "inverse-separate": {"segmentation": "bicubic-after"},
}


def train(recipe: str, scale: str | None, runs: Path) -> Path:
    """Train by a recipe unless its run is complete; returns the run folder."""
    folder = runs / f"{RECIPE.replace('/', '-')}{recipe}{f'-{scale}' if scale else ''}"
    if (folder / "checkpoint").is_dir():
        return folder
    words = ["train", RECIPE + recipe, "--out", str(folder), "--resume", *(("--scale", scale) if scale else ())]
    for part, earlier in STARTS.get(recipe, {}).items():
        words += ["--set", f"start.{part}={train(earlier, scale, runs)}"]
    subprocess.run([sys.executable, "-m", "fissura", *words], check=True)
    return folder


def train_side_by_side(recipes: Iterable[str], scale: str | None, runs: Path, jobs: int) -> None:
    """Train recipes and what they start from, so many at a time."""
    order = dict.fromkeys(name for recipe in recipes for name in (*STARTS.get(recipe, {}).values(), recipe))
    started: dict[str, Future[Path]] = {}

    def train_after(recipe: str, earlier: list[Future[Path]]) -> Path:
        for run in earlier:
            run.result()
        return train(recipe, scale, runs)

    with ThreadPoolExecutor(jobs) as pool:
        # In this order nothing waits for what has not begun.
        for recipe in order:
            earlier = [started[name] for name in STARTS.get(recipe, {}).values()]
            started[recipe] = pool.submit(train_after, recipe, earlier)
    for run in started.values():
        run.result()


def compose(segmentation: Path, enlarges: str, runs: Path, scale: str | None) -> Path:
    """A checkpoint of two networks that have never met."""
    earlier = load_checkpoint(segmentation)
    start = StartConfig(segmentation=segmentation)
    options: dict[str, Any] | None = BICUBIC
    if enlarges != "bicubic":
        source = train(enlarges, scale, runs)
        options = load_checkpoint(source).record.model.super_resolution
        start = StartConfig(segmentation=segmentation, super_resolution=source)
    config = ModelConfig.model_validate({**earlier.record.model.model_dump(), "super_resolution": options})
    model = build_model(config, pretrained=False)
    start_from(model, start)
    folder = runs / f"{segmentation.name}-behind-{enlarges}"
    recipe = {**earlier.record.recipe, "model": config.model_dump(mode="json")}
    save_checkpoint(folder / "checkpoint", model, earlier.record.model_copy(update={"model": config, "recipe": recipe}))
    return folder


def comparison(scores: dict[str, dict[str, float | None]]) -> str:
    """A Markdown table of our figures beside the paper's."""
    lines = [
        "| | PSNR [dB] | paper | SSIM | max IoU | paper | AIU | paper |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in ROWS:
        own = scores[row.name]
        cells = (
            _cell(own["psnr_db"], 2),
            _cell(row.psnr_db, 1),
            _cell(own["ssim"], 4),
            _cell(own["max_iou"], 4),
            _cell(row.max_iou, 3),
            _cell(own["aiu_code"], 4),
            _cell(row.aiu, 3),
        )
        lines.append(f"| {row.name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def main() -> None:
    """Train, compose, score, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=("cpu",), help="the narrow, short variants")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time (default: %(default)s)")
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    train_side_by_side([row.recipe for row in ROWS], arguments.scale, arguments.runs, arguments.jobs)
    models: dict[str, Path] = {}
    for row in ROWS:
        folder = train(row.recipe, arguments.scale, arguments.runs)
        if row.enlarges is not None:
            folder = compose(folder, row.enlarges, arguments.runs, arguments.scale)
        models[row.name] = folder
    words = ["eval", "--protocol", "cssr", "--cross", DATA, "--split", SPLIT, "--out", str(arguments.out)]
    words += ["--models", *map(str, models.values()), "--names", *models]
    subprocess.run([sys.executable, "-m", "fissura", *words], check=True)
    found = json.loads((arguments.out / "cssr.json").read_text())["models"]
    table = comparison({name: model["scores"] for name, model in found.items()})
    write_text(arguments.out / "comparison.md", table)
    record = {
        "command": " ".join(["python benchmarks/cssr/run.py", *sys.argv[1:]]),
        "versions": {name: version(name) for name in ("torch", "lightning", "numpy")},
        "python": platform.python_version(),
        "processor": processor(),
        "gpus": gpus(),
        "runs": {name: load_checkpoint(folder).record.metrics for name, folder in models.items()},
    }
    write_text(arguments.out / "runs.json", json.dumps(record, indent=2) + "\n")
    print(table)


if __name__ == "__main__":
    main()
