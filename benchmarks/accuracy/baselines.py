"""Fit every baseline on a data set's training list, score it on the test list, and set it beside paper 001's figures.

    FISSURA_DATA=... python benchmarks/accuracy/baselines.py --data cfd --drop 042

writes `benchmarks/results/baselines/`: `result.json` with the commands, and `table.md`. One thread; about four
minutes on an idle core.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from fissura.files import write_text
from train.baselines import BASELINES

RESULTS = Path(__file__).parents[1] / "results" / "baselines"
PROTOCOLS = {"ods": ("--protocol", "ods", "--tolerance", "2"), "structured": ("--protocol", "structured")}
KEPT = ("f1", "precision", "recall", "threshold", "ois_f1", "iou", "images")
# Paper 001, tables III (CFD) and IV (AigleRN): precision, recall, F1.
PAPER = {
    "canny": {"CFD": (0.4377, 0.7307, 0.4570), "AigleRN": (0.1989, 0.6753, 0.2881)},
    "local_threshold": {"CFD": (0.7727, 0.8274, 0.7418), "AigleRN": (0.5329, 0.9345, 0.6670)},
    "minimal_path": {"AigleRN": (0.8263, 0.8410, 0.8195)},
    "anisotropy": {"AigleRN": (0.7688, 0.6812, 0.6817)},
    "structured_forest": {"CFD": (0.7466, 0.9514, 0.8318)},
}
HEADER = (
    "baseline",
    "ODS F1",
    "precision",
    "recall",
    "OIS F1",
    "structured F1",
    "precision",
    "recall",
    "paper 001: precision, recall, F1",
)


def evaluate(spec: str, data: str, protocol: str) -> dict[str, Any]:
    """Scores and the command that made them."""
    words = ("eval", spec, data, *PROTOCOLS[protocol], "--json")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    finished = subprocess.run(
        [sys.executable, "-m", "fissura", *words], stdout=subprocess.PIPE, text=True, check=False, env=environment
    )
    if finished.returncode:
        sys.exit(finished.returncode)  # it has said why
    scores = json.loads(finished.stdout)
    kept = {name: scores[name] for name in KEPT if name in scores}
    return {"command": " ".join(("fissura", *words)), "scores": kept}


def markdown(results: dict[str, dict[str, Any]]) -> str:
    """The table, one baseline a row."""
    rows = []
    for name, result in results.items():
        ods, structured = (result[protocol]["scores"] for protocol in PROTOCOLS)
        figures = [ods[key] for key in ("f1", "precision", "recall", "ois_f1")]
        figures += [structured[key] for key in ("f1", "precision", "recall")]
        paper = "; ".join(
            f"{data} {', '.join(f'{figure:.4f}' for figure in known)}" for data, known in PAPER.get(name, {}).items()
        )
        rows.append([name, *(f"{figure:.4f}" for figure in figures), paper or "-"])
    lines = [HEADER, ["---"] * len(HEADER), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    """Score each baseline under each protocol."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="cfd", help="data set with a training and a test list (default: cfd)")
    parser.add_argument("--drop", nargs="*", default=[], metavar="ID", help="images left out of the training list")
    arguments = parser.parse_args()
    drop = f":drop={'+'.join(arguments.drop)}" if arguments.drop else ""
    results: dict[str, dict[str, Any]] = {}
    for name in BASELINES:
        results[name] = {}
        for protocol in PROTOCOLS:
            spec = f"baseline:{name}:{arguments.data}{drop}"
            results[name][protocol] = evaluate(spec, arguments.data, protocol)
            print(f"{name}, {protocol}: F1 {results[name][protocol]['scores']['f1']:.4f}", flush=True)
    record = {
        "data": Path(arguments.data).name,
        "dropped": arguments.drop,
        "baselines": results,
        "paper_001": PAPER,
        "machine": {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()},
    }
    write_text(RESULTS / "result.json", json.dumps(record, indent=2) + "\n")
    write_text(RESULTS / "table.md", markdown(results))


if __name__ == "__main__":
    main()
