"""`fissura train`: a recipe in, a run folder with a checkpoint out."""

from __future__ import annotations

import argparse
import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from fissura.errors import ConfigError, UsageError

if TYPE_CHECKING:  # PyTorch takes seconds to import: not before the arguments are right
    from train.config import Recipe


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
    parser.add_argument(
        "--scale",
        choices=("cpu",),
        help="train the recipe's narrow, short variant for two cores instead (after --set)",
    )
    parser.add_argument("--devices", type=int, metavar="N", help="processes that share each batch, one GPU each")
    parser.add_argument("--tune", type=int, metavar="N", help="choose values of the recipe in N trials instead")
    parser.add_argument("--study", type=Path, help="SQLite file of --tune (default: study.db in the run folder)")
    parser.add_argument("--json", action="store_true", help="print the last epoch's figures as JSON on stdout")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")


def run(arguments: argparse.Namespace) -> int:
    """Train or tune; prints the figures of the last epoch, or the trials."""
    from train.config import load_recipe
    from train.scale import scaled

    overrides = dict(_parse_setting(text) for text in arguments.settings)
    if arguments.seed is not None:
        overrides["seed"] = arguments.seed
    recipe = load_recipe(arguments.recipe, overrides)
    if arguments.scale is not None:
        recipe = scaled(recipe, arguments.scale)
    _check(arguments)
    folder: Path = arguments.out or Path("runs") / recipe.name
    progress = not arguments.quiet and sys.stderr.isatty()
    if arguments.tune is None:
        return _train(arguments, recipe, folder, progress)
    from train.tune import tune

    study = arguments.study or folder / "study.db"
    try:
        result = tune(recipe, folder, study, trials=arguments.tune, progress=progress)
    except (KeyboardInterrupt, SystemExit):
        print(f"to go on: the same command; the trials are kept in {study}", file=sys.stderr)
        raise
    print(json.dumps(result.as_json(), indent=2) if arguments.json else result.as_table())
    return 0


def _check(arguments: argparse.Namespace) -> None:
    from train.processes import Processes

    started = Processes.of_environment().count
    if arguments.devices is not None and arguments.devices < 1:
        raise UsageError(f"--devices {arguments.devices}", expected="1 or more")
    if arguments.devices is not None and started > 1 and arguments.devices != started:
        raise UsageError(
            f"--devices {arguments.devices}, and torchrun started {started} processes", fix="leave --devices out"
        )
    if arguments.tune is None:
        if arguments.study is not None:
            raise UsageError("--study without --tune", fix="add --tune N")
        return
    if arguments.tune < 1:
        raise UsageError(f"--tune {arguments.tune}", expected="a number of trials, 1 or more")
    if max(started, arguments.devices or 1) > 1:
        raise UsageError("--tune in several processes", expected="one process", fix="leave --devices out")


def _train(arguments: argparse.Namespace, recipe: Recipe, folder: Path, progress: bool) -> int:
    from train.fit import fit
    from train.history import CLOCK
    from train.processes import Processes
    from train.resume import RESUME_FILE

    start = time.monotonic()
    worker = partial(fit, recipe, folder, resume=arguments.resume, progress=progress)
    processes = Processes.of_environment()
    try:
        if processes.count == 1 and (arguments.devices or 1) > 1:
            from train.launch import launch

            metrics = launch(worker, arguments.devices)
        else:
            metrics = worker()
    except (KeyboardInterrupt, SystemExit):
        if (folder / RESUME_FILE).exists() and processes.rank == 0:
            print(f"to go on: the same command with --resume; the last epoch is kept in {folder}", file=sys.stderr)
        raise
    if processes.rank:
        return 0
    seconds = time.monotonic() - start
    if arguments.json:
        figures = {**metrics, "training_seconds": metrics[CLOCK], CLOCK: round(seconds, 1)}
        print(json.dumps({**figures, "checkpoint": str(folder / "checkpoint")}, indent=2))
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
