"""Trains the variants that have a recipe, one after another, one thread each; what is complete is left as it is.

    python benchmarks/super_resolution/trainings.py [VARIANT ...]

An interrupted run goes on where it was. FISSURA_DATA names the data sets.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from variants import VARIANTS

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def main() -> None:
    """Train what is missing."""
    recipes = {variant.label: variant.recipe for variant in VARIANTS if variant.recipe}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the run folders (default: runs)")
    parser.add_argument("variants", nargs="*", metavar="VARIANT", help=f"of {', '.join(recipes)} (default: all)")
    arguments = parser.parse_args()
    unknown = set(arguments.variants) - set(recipes)
    if unknown:
        parser.error(f"no recipe for {', '.join(sorted(unknown))}")
    for label in arguments.variants or recipes:
        run = arguments.runs / recipes[label].replace("/", "-")
        if (run / "checkpoint" / "checkpoint.json").is_file():
            print(f"{label}: there already", flush=True)
            continue
        start = time.monotonic()
        words = ["train", recipes[label], "--out", str(run), "--quiet", "--resume"]
        done = subprocess.run([sys.executable, "-m", "fissura", *words], env=ENVIRONMENT, check=False)
        if done.returncode:
            sys.exit(f"fissura {' '.join(words)} ended with {done.returncode}")
        print(f"{label}: {time.monotonic() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
