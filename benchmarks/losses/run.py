"""What each loss costs in a training step, and against MONAI's loss of the same name.

    python benchmarks/losses/run.py

times forward and backward of every loss on a batch of two masks of 480 x 320 pixels, in turn with a training step of
the `cfd-small` network (as `fissura train` runs it on this machine, without a loss) and with MONAI's losses, and writes
`benchmarks/results/losses/`: `result.json` and `README.md`. It ends with 1 if a loss takes more than 3 % of the step or
1.1 times as long as MONAI's. Losses that skeletonise or make distance maps by themselves have no bar against the step.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import cv2
import torch
from cases import CASES
from timing import BATCH, HEIGHT, MONAI_BAR, STEP_BAR, WIDTH, measure

from fissura.files import write_text
from train.config import load_recipe
from train.fit import choose_precision

RESULTS = Path(__file__).parents[1] / "results" / "losses"
RECIPE = "cfd-small"


def table(rows: list[dict[str, object]]) -> str:
    """The rows as Markdown."""
    lines = [
        f"| loss | share of the `{RECIPE}` step | bar | MONAI | ratio to MONAI | bar |",
        "|---|---:|---:|---|---:|---:|",
    ]
    for row in rows:
        bar = f"{row['step_bar']:.0%}" if row["step_bar"] else "–"
        ratio, monai_bar = (row["ratio_to_monai"], MONAI_BAR) if row["monai"] else ("–", "–")
        lines.append(
            f"| {row['loss']} | {row['share_of_step']:.2%} | {bar} | {row['monai'] or '–'} | {ratio} | {monai_bar} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, write, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="rounds over all losses (default: 15)")
    parser.add_argument("--calls", type=int, default=5, help="calls of each loss in a round (default: 5)")
    parser.add_argument("--threads", type=int, default=2, help="threads of PyTorch (default: 2)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="result folder")
    parser.add_argument("losses", nargs="*", help="names of losses (default: all)")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(arguments.threads)
    cases = tuple(case for case in CASES if not arguments.losses or case.options["name"] in arguments.losses)
    recipe = load_recipe(RECIPE, {})
    rows = measure(cases, recipe, arguments.rounds, arguments.calls)
    precision = choose_precision(recipe.precision)
    result = {
        "batch": {"images": BATCH, "width_px": WIDTH, "height_px": HEIGHT},
        "step": {"recipe": RECIPE, "precision": precision, "memory_format": "channels_last"},
        "bars": {"share_of_step": STEP_BAR, "ratio_to_monai": MONAI_BAR},
        "rounds": arguments.rounds,
        "calls": arguments.calls,
        "threads": arguments.threads,
        "losses": rows,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in ("torch", "monai")}},
        "machine": platform.machine(),
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_text(arguments.out / "result.json", json.dumps(result, indent=2) + "\n")
    heading = (
        "# What the losses cost\n\n"
        f"Forward and backward of a loss on {BATCH} masks of {WIDTH} x {HEIGHT} pixels, as a share of a training step\n"
        f"of the `{RECIPE}` network ({precision}, channels_last, threads: {arguments.threads}) and against MONAI's\n"
        f"loss of the same name. Medians of {arguments.rounds} rounds in which all took turns.\n"
        "Made by `python benchmarks/losses/run.py`.\n\n"
    )
    write_text(arguments.out / "README.md", heading + table(rows))
    print(table(rows))
    failures = [f"{row['loss']}: {failure}" for row in rows for failure in row["failed"]]  # type: ignore[attr-defined]
    if failures:
        sys.exit("over the bar:\n" + "\n".join(failures))


if __name__ == "__main__":
    main()
