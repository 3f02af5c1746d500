"""`fissura eval`: the scores of a checkpoint, a bundle or a baseline on a data set."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from calibration.selection import add_selection_arguments
from export.cross import add_cross_arguments, run_cross
from export.cssr import run_cssr
from export.degrade import add_degrade_arguments, run_degrade
from export.iou_threshold import draw_iou_threshold
from export.jobs import make_jobs, score_jobs
from export.precision_recall import draw_precision_recall
from export.protocols import ALL, CSSR, SUPER_RESOLUTION, add_protocol_arguments, check_name, check_options
from fissura.errors import UsageError
from fissura.metrics.cssr import Cssr


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
    add_degrade_arguments(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="write a picture of hits and misses of every image, and curves; tables and plots of --cross, --degrade",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Score; prints a table or JSON."""
    check_name(arguments.protocol)
    check_options(arguments.protocol, arguments)
    if arguments.cross is not None:
        return run_cssr(arguments) if arguments.protocol == CSSR else run_cross(arguments)
    _check(arguments)
    if arguments.degrade is not None:
        return run_degrade(arguments)
    jobs = make_jobs(arguments)
    (dataset, _), together = jobs[0], arguments.protocol == ALL

    from export.report import as_dictionary, as_text
    from export.scoring import draw, open_model  # PyTorch: seconds

    model = open_model(arguments.model, arguments.mode)
    evaluations = score_jobs(model, jobs, arguments.protocol)
    if arguments.out is not None:
        where = f"{dataset.name}/{dataset.split}"
        name, protocol = next(iter(jobs[0][1].items()))
        best = evaluations[name].scores.get("threshold", 0.5)
        draw(model, dataset, protocol, best if model.threshold is None else model.threshold, arguments.out)
        curves = {name: found.curve for name, found in evaluations.items() if found.curve is not None}
        if curves:
            draw_precision_recall(arguments.out / "precision-recall.png", curves, f"{arguments.model} on {where}")
        cssr = jobs[0][1].get(CSSR)
        if isinstance(cssr, Cssr):
            draw_iou_threshold(arguments.out / "iou-threshold.png", {arguments.model: cssr.iou_by_threshold()}, where)
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
    for option in ("models", "names"):
        if getattr(arguments, option) is not None:
            raise UsageError(f"--{option} belongs to --cross")
    if arguments.score is not None and arguments.degrade is None:
        raise UsageError("--score belongs to --cross and --degrade")
    if arguments.out is not None and arguments.protocol == SUPER_RESOLUTION and arguments.degrade is None:
        raise UsageError(f"protocol {SUPER_RESOLUTION!r} has no pictures", fix="leave out --out")
