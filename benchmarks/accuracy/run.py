"""Train by a recipe, score the checkpoint anew with `fissura eval`, and record both with the commands that made them.

    python benchmarks/accuracy/run.py cfd-small --data cfd

writes `benchmarks/results/cfd-small/`: `result.json`, `metrics.csv` and `curves.png`. FISSURA_DATA names the data sets.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

from fissura.files import replacing, write_text

RESULTS = Path(__file__).parents[1] / "results"


def fissura(*words: str) -> str:
    """Run a fissura command and return what it printed."""
    finished = subprocess.run([sys.executable, "-m", "fissura", *words], stdout=subprocess.PIPE, text=True, check=False)
    if finished.returncode:
        sys.exit(finished.returncode)  # it has said why
    return finished.stdout


def processor() -> str:
    """The processor's name, as the kernel gives it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main() -> None:
    """Train, evaluate, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--data", required=True, help="data set to score on, its test list")
    parser.add_argument("--out", type=Path, help="run folder (default: runs/benchmark-RECIPE)")
    arguments = parser.parse_args()
    name = Path(arguments.recipe).stem
    run: Path = arguments.out or Path("runs") / f"benchmark-{name}"
    start = time.monotonic()
    train_words = ("train", arguments.recipe, "--out", str(run), "--json")
    training = json.loads(fissura(*train_words))
    seconds = time.monotonic() - start
    protocol = ("--protocol", "ods", "--tolerance", "2", "--split", "test")
    eval_words = ("eval", str(run), arguments.data, *protocol, "--json")
    scores = json.loads(fissura(*eval_words))
    record = json.loads((run / "checkpoint" / "checkpoint.json").read_text())
    folder = RESULTS / name
    folder.mkdir(parents=True, exist_ok=True)
    for file in ("metrics.csv", "curves.png"):
        with replacing(folder / file) as aside:
            shutil.copyfile(run / file, aside)
    result = {
        "commands": [" ".join(("fissura", *words)) for words in (train_words, eval_words)],
        "scores": scores,
        "training": {key: value for key, value in training.items() if key != "checkpoint"},
        "wall_s": round(seconds, 1),
        "recipe": record["recipe"],
        "dataset_fingerprint": record["dataset_fingerprint"],
        "versions": record["versions"],
        "machine": {"processor": processor(), "cores": os.cpu_count(), "system": platform.platform()},
    }
    write_text(folder / "result.json", json.dumps(result, indent=2, sort_keys=True) + "\n")
    print(json.dumps(scores, indent=2))


if __name__ == "__main__":
    main()
