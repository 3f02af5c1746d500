"""`fissura eval`: the scores of a checkpoint, a bundle or a baseline on a data set."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from calibration.selection import add_selection_arguments, select
from export.cross import add_cross_arguments, run_cross
from export.precision_recall import draw_precision_recall
from export.protocols import (
    ALL,
    SUPER_RESOLUTION,
    add_protocol_arguments,
    check_name,
    check_options,
    make_protocol,
)
from fissura.dataset import Dataset, find_dataset
from fissura.errors import UsageError
from fissura.metrics import PROTOCOLS
from fissura.metrics.protocol import EvaluationProtocol

if TYPE_CHECKING:
    from export.scoring import Evaluation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `fissura eval`."""
    parser.add_argument(
        "model", nargs="?", metavar="MODEL", help="checkpoint or run folder, bundle, or baseline:NAME[:DATA]"
    )
    parser.add_argument("data", nargs="?", metavar="DATA", help="an image/mask folder, or a name below FISSURA_DATA")
    add_protocol_arguments(parser)
    add_selection_arguments(parser, split="test", tolerance=None, labels=None)
    parser.add_argument(
        "--mode",
        choices=("fused", "segmentation"),
        help="fused: low-resolution frames made of the images, scored at the images' resolution; segmentation: the "
        "images as they are (default: fused where the model has super-resolution)",
    )
    add_cross_arguments(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write a picture of hits and misses of every image, and precision against recall; the matrix of --cross",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Score; prints a table or JSON."""
    check_name(arguments.protocol)
    check_options(arguments.protocol, arguments)
    if arguments.cross is not None:
        return run_cross(arguments)
    _check(arguments)
    jobs = _jobs(arguments)
    (dataset, _), together = jobs[0], arguments.protocol == ALL

    from export.report import as_dictionary, as_text
    from export.scoring import draw, evaluate, evaluate_super_resolution, open_model  # PyTorch: seconds

    model = open_model(arguments.model, arguments.mode)
    evaluations: dict[str, Evaluation] = {}
    for images, protocols in jobs:
        if protocols:
            evaluations |= evaluate(model, images, protocols)
    if arguments.protocol == SUPER_RESOLUTION or (together and model.enlarge is not None):
        evaluations[SUPER_RESOLUTION] = evaluate_super_resolution(model, dataset)
    if arguments.out is not None:
        name, protocol = next(iter(jobs[0][1].items()))
        best = evaluations[name].scores.get("threshold", 0.5)
        draw(model, dataset, protocol, best if model.threshold is None else model.threshold, arguments.out)
        curves = {name: found.curve for name, found in evaluations.items() if found.curve is not None}
        if curves:
            title = f"{arguments.model} on {dataset.name}/{dataset.split}"
            draw_precision_recall(arguments.out / "precision-recall.png", curves, title)
    if arguments.json:
        print(json.dumps(as_dictionary(model, jobs, evaluations, together=together), indent=2))
    else:
        print(as_text(arguments.model, model, jobs, evaluations, together=together))
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if arguments.model is None or arguments.data is None:
        raise UsageError(
            "a model and a data set are needed",
            expected="fissura eval MODEL DATA, or fissura eval --cross DATA [DATA ...] --models MODEL [MODEL ...]",
        )
    for option in ("models", "score"):
        if getattr(arguments, option) is not None:
            raise UsageError(f"--{option} belongs to --cross")
    if arguments.out is not None and arguments.protocol == SUPER_RESOLUTION:
        raise UsageError(f"protocol {SUPER_RESOLUTION!r} has no pictures", fix="leave out --out")


def _jobs(arguments: argparse.Namespace) -> list[tuple[Dataset, dict[str, EvaluationProtocol]]]:
    """The images with each kind of labels, and the protocols that are scored against them; `masks` first."""
    if arguments.protocol not in PROTOCOLS:
        names = list(PROTOCOLS) if arguments.protocol == ALL else []
    else:
        names = [arguments.protocol]
    groups: dict[str, dict[str, EvaluationProtocol]] = {} if names else {"masks": {}}
    for name in names:
        groups.setdefault(PROTOCOLS[name].labels, {})[name] = make_protocol(name, arguments)
    if arguments.protocol == ALL and arguments.labels is None:
        root = find_dataset(arguments.data)
        groups = {labels: group for labels, group in groups.items() if labels == "masks" or (root / labels).is_dir()}
    return [(select(arguments.data, arguments, labels), group) for labels, group in groups.items()]
