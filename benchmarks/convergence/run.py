"""How soon each loss of paper 000 gets where `wce_xie` gets at its last epoch.

    python benchmarks/convergence/run.py

trains five losses with three seeds each on CFD, by the recipes of paper 000 at `--scale cpu`, two runs at a time with
one thread each, scoring every quarter of an epoch. It writes `benchmarks/results/convergence/` (with `--full-width`:
`convergence-full-width/`): `curves.csv`, `convergence.png`, `result.json` and `README.md`. A run that is complete in
`--runs` is not trained again, so that an interrupted benchmark goes on where it was. FISSURA_DATA names the data sets.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import summary

RECIPES = {
    "wce_xie": "paper000/cfd-wce-xie",
    "wce_power": "paper000/cfd-power-half",
    "wce_log": "paper000/cfd-log",
    "wce_exp": "paper000/cfd-exp",
    "holistic(exp)": "paper000/cfd-holistic",
}
RESULTS = Path(__file__).parents[1] / "results"
SEEDS = (1, 2, 3)
# One thread a run: two runs side by side use two cores better than one run whose threads wait for each other.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def command(loss: str, seed: int, run: Path, epochs: int, steps: int | None, *, full_width: bool) -> list[str]:
    """The training command of one curve."""
    settings = ["evaluation.per_epoch=4", f"epochs={epochs}"]
    if not full_width:
        settings.append("data.workers=0")
    if steps is not None:
        settings.append(f"data.steps_per_epoch={steps}")
    scale = [] if full_width else ["--scale", "cpu"]
    words = ["train", RECIPES[loss], *scale, "--seed", str(seed), "--out", str(run), "--quiet", "--json"]
    return words + [word for setting in settings for word in ("--set", setting)]


def train(words: list[str], run: Path) -> float:
    """Train one curve unless it is there; returns the seconds it took this time."""
    if (run / "checkpoint" / "checkpoint.json").exists():
        return 0.0
    start = time.monotonic()
    words = [*words, "--resume"]
    finished = subprocess.run(
        [sys.executable, "-m", "fissura", *words], env=ENVIRONMENT, stdout=subprocess.DEVNULL, check=False
    )
    if finished.returncode:
        sys.exit(f"fissura {' '.join(words)} ended with {finished.returncode}")
    return time.monotonic() - start


def main() -> None:
    """Train what is missing, then draw and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs/convergence"), help="folder of the run folders")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--steps", type=int, default=200, help="steps of an epoch (default: 200)")
    parser.add_argument("--jobs", type=int, default=2, help="runs side by side, one thread each (default: 2)")
    parser.add_argument("--full-width", action="store_true", help="without `--scale cpu`: for a GPU")
    arguments = parser.parse_args()
    start = time.monotonic()
    jobs = {
        (loss, seed): arguments.runs / f"{loss.split('(')[0]}-{seed}" for seed in SEEDS for loss in RECIPES
    }  # seed by seed: an interrupted benchmark holds a whole comparison sooner
    commands = {
        key: command(*key, run, arguments.epochs, arguments.steps, full_width=arguments.full_width)
        for key, run in jobs.items()
    }
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for (loss, seed), seconds in zip(jobs, pool.map(train, commands.values(), jobs.values()), strict=True):
            print(f"{loss} seed {seed}: {seconds:.0f} s", flush=True)
    wall_s = time.monotonic() - start
    curves = {key: summary.history(run) for key, run in jobs.items()}
    record = json.loads((next(iter(jobs.values())) / "checkpoint" / "checkpoint.json").read_text())
    facts = {
        "command": f"python {' '.join(sys.argv)}",
        "training_commands": ["fissura " + " ".join(words) for words in commands.values()],
        "wall_s": round(wall_s, 1),
        "versions": record["versions"],
        "dataset_fingerprint": record["dataset_fingerprint"],
        "recipe_of_the_first": record["recipe"],
    }
    summary.write(RESULTS / ("convergence-full-width" if arguments.full_width else "convergence"), curves, facts)


if __name__ == "__main__":
    main()
