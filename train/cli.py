"""`fissura train`: a recipe in, a run folder with a checkpoint out."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from fissura.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `fissura train`."""
    parser.add_argument("recipe", help="a recipe of train/recipes/ by name (cfd-small), or a YAML file")
    parser.add_argument("--out", type=Path, help="run folder (default: runs/RECIPE)")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out after a kill")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        dest="settings",
        help="replace a value of the recipe, for example optimiser.learning_rate=1e-3 (may be repeated)",
    )
    parser.add_argument("--seed", type=int, help="replace the recipe's seed")
    parser.add_argument("--json", action="store_true", help="print the last epoch's figures as JSON on stdout")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def run(arguments: argparse.Namespace) -> int:
    """Train; prints the figures of the last epoch."""
    from train.config import load_recipe
    from train.fit import fit
    from train.resume import RESUME_FILE

    overrides = dict(_parse_setting(text) for text in arguments.settings)
    if arguments.seed is not None:
        overrides["seed"] = arguments.seed
    recipe = load_recipe(arguments.recipe, overrides)
    folder: Path = arguments.out or Path("runs") / recipe.name
    start = time.monotonic()
    try:
        metrics = fit(recipe, folder, resume=arguments.resume, progress=not arguments.quiet and sys.stderr.isatty())
    except (KeyboardInterrupt, SystemExit):
        if (folder / RESUME_FILE).exists():
            print(f"to go on: the same command with --resume; the last epoch is kept in {folder}", file=sys.stderr)
        raise
    seconds = time.monotonic() - start
    if arguments.json:
        print(json.dumps({**metrics, "seconds": round(seconds, 1), "checkpoint": str(folder / "checkpoint")}, indent=2))
    else:
        scores = "  ".join(f"{key} {metrics[key]:.4f}" for key in ("f1", "ois_f1", "iou", "psnr_db") if key in metrics)
        print(f"{recipe.name}: {recipe.epochs} epochs in {seconds:.0f} s: {scores}")
        print(f"checkpoint: {folder / 'checkpoint'}   curves: {folder / 'curves.png'}")
    return 0


def _parse_setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {text!r}", expected="KEY=VALUE, for example --set epochs=2")
    try:
        return key, yaml.safe_load(value)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: 2024-13-45 reads as a date
        raise ConfigError(f"--set {text!r}: the value is no YAML: {error}") from error
