"""Every loss on the same short recipe: what each reaches on CFD in one epoch of `cfd-fast`.

    python benchmarks/accuracy/losses.py

trains `cfd-fast` for one epoch with each loss of the table at its default options, the same seed and samples, and
writes `benchmarks/results/losses-on-cfd/`: `result.json` and the table as `README.md`. One seed, 150 steps: it shows
that a loss trains and where its probabilities lie, not which of two close ones is better. FISSURA_DATA names the data.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fissura.files import write_text
from fissura.table import format_table
from train.losses import LOSSES

RESULTS = Path(__file__).parents[1] / "results" / "losses-on-cfd"
SCORES = ("f1", "precision", "recall", "threshold", "half_f1", "strict_f1", "iou")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def train(name: str, run: Path, recipe: str) -> dict[str, float]:
    """Train with one loss; the figures of its last epoch."""
    words = ["train", recipe, "--out", str(run), "--quiet", "--json", "--set", f"loss={{name: {name}}}"]
    words += ["--set", "epochs=1", "--set", "evaluation.per_epoch=1", "--set", "data.workers=0"]
    finished = subprocess.run(
        [sys.executable, "-m", "fissura", *words], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, check=False
    )
    if finished.returncode:
        sys.exit(finished.returncode)  # it has said why
    figures: dict[str, float] = json.loads(finished.stdout)
    return {score: figures[score] for score in SCORES}


def main() -> None:
    """Train with each loss, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="cfd-fast")
    parser.add_argument("--runs", type=Path, default=Path("runs/losses-on-cfd"), help="folder of the run folders")
    parser.add_argument("--jobs", type=int, default=2, help="runs side by side, one thread each (default: 2)")
    arguments = parser.parse_args()
    with ThreadPoolExecutor(arguments.jobs) as pool:
        figures = pool.map(lambda name: train(name, arguments.runs / name, arguments.recipe), LOSSES)
        scores = dict(zip(LOSSES, figures, strict=True))
    rows = [
        (name, *(f"{row[score]:.3f}" for score in SCORES))
        for name, row in sorted(scores.items(), key=lambda item: -item[1]["f1"])
    ]
    head = ("loss", "ODS 2 px", "precision", "recall", "at threshold", "at 0.5, 2 px", "ODS 0 px", "IoU")
    table = format_table(head, rows, right=tuple(range(1, len(head))))
    text = f"# Every loss on CFD, one short epoch\n\nBy `python benchmarks/accuracy/losses.py`.\n\n```\n{table}\n```\n"
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_text(RESULTS / "result.json", json.dumps({"recipe": arguments.recipe, "scores": scores}, indent=2) + "\n")
    write_text(RESULTS / "README.md", text)
    print(table)


if __name__ == "__main__":
    main()
