"""Wall time to ODS F1 0.90 (2 px) on CFD: `cfd-fast` against `cfd-small`, one after the other in one run.

    python benchmarks/convergence/fast.py

trains both on the same cores, scoring both several times, and writes `benchmarks/results/cfd-fast/`: `result.json`,
both `metrics-*.csv` and `curves.png`. Times are of training alone, scoring left out on both sides; the wall time of the
whole commands stands beside them. Exits with 1 if `cfd-fast` needs more than a third of `cfd-small`'s time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from summary import epochs_to_reach, history

from fissura.files import replacing, write_text

RESULTS = Path(__file__).parents[1] / "results" / "cfd-fast"
TARGET = 0.90
BAR = 1 / 3
SETTINGS = {"cfd-small": ["evaluation.per_epoch=4"], "cfd-fast": []}


def train(recipe: str, run: Path, seed: int) -> tuple[list[str], float]:
    """Train one recipe; returns the command and the seconds that it took as a whole."""
    words = ["train", recipe, "--out", str(run), "--seed", str(seed), "--quiet"]
    words += [word for setting in SETTINGS[recipe] for word in ("--set", setting)]
    start = time.monotonic()
    finished = subprocess.run([sys.executable, "-m", "fissura", *words], check=False)
    if finished.returncode:
        sys.exit(finished.returncode)  # it has said why
    return words, time.monotonic() - start


def facts_of(run: Path, words: list[str], wall_s: float) -> dict[str, object]:
    """What is recorded of one run."""
    rows = history(run)
    record = json.loads((run / "checkpoint" / "checkpoint.json").read_text())
    seconds, scores = [row["seconds"] for row in rows], [row["f1"] for row in rows]
    return {
        "command": "fissura " + " ".join(words),
        "seconds_to_target": epochs_to_reach(seconds, scores, TARGET),
        "training_seconds": seconds[-1],
        "wall_s": round(wall_s, 1),
        "last_f1": scores[-1],
        "steps": rows[-1]["step"],
        "parameters": record["metrics"]["parameters"],
        "versions": record["versions"],
    }


def draw(path: Path, histories: dict[str, list[dict[str, float]]]) -> None:
    """Score over training seconds, logarithmic, so that both fit."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, rows in histories.items():
        axes.plot([row["seconds"] for row in rows], [row["f1"] for row in rows], marker="o", ms=3, label=name)
    axes.axhline(TARGET, color="black", lw=0.8, ls=":", label=f"ODS F1 {TARGET}")
    axes.set(xlabel="training seconds, scoring left out", ylabel="ODS F1, 2 px", xscale="log")
    axes.set_ylim(0.6, None)
    axes.grid(alpha=0.3, which="both")
    axes.legend(loc="lower right")
    with replacing(path) as aside:
        figure.savefig(aside, dpi=120)


def main() -> int:
    """Train both, compare, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs/cfd-fast-benchmark"), help="folder of the run folders")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    facts: dict[str, dict[str, object]] = {}
    histories = {}
    for recipe in ("cfd-fast", "cfd-small"):
        run = arguments.runs / recipe
        facts[recipe] = facts_of(run, *train(recipe, run, arguments.seed))
        histories[recipe] = history(run)
    RESULTS.mkdir(parents=True, exist_ok=True)
    for recipe in facts:
        with replacing(RESULTS / f"metrics-{recipe}.csv") as aside:
            shutil.copyfile(arguments.runs / recipe / "metrics.csv", aside)
    draw(RESULTS / "curves.png", histories)
    reached = facts["cfd-fast"]["seconds_to_target"]
    whole, to_target = facts["cfd-small"]["training_seconds"], facts["cfd-small"]["seconds_to_target"]
    ratios = {
        "to_target_over_cfd_small_whole": None if reached is None else reached / whole,  # type: ignore[operator]
        "to_target_over_cfd_small_to_target": None if reached is None or to_target is None else reached / to_target,  # type: ignore[operator]
    }
    result = {
        "command": f"python {' '.join(sys.argv)}",
        "threads": os.environ.get("OMP_NUM_THREADS", "all cores"),
        "target_f1": TARGET,
        "ratios": ratios,
        "runs": facts,
    }
    write_text(RESULTS / "result.json", json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))
    ratio = ratios["to_target_over_cfd_small_whole"]
    return 0 if ratio is not None and ratio <= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
