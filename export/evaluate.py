"""`fissura eval`: the scores of a checkpoint or a bundle on a data set."""

from __future__ import annotations

import argparse
import difflib
import json
from pathlib import Path

from calibration.selection import add_selection_arguments, select
from fissura.errors import UsageError
from fissura.table import format_table

PROTOCOLS = {
    "ods": "one threshold for the whole list, pixels matched within the tolerance, counts pooled (no thinning)",
}
SCORES = ("f1", "precision", "recall", "threshold", "ois_f1", "iou")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `fissura eval`."""
    parser.add_argument("model", type=Path, metavar="MODEL", help="checkpoint or run folder, or a bundle")
    parser.add_argument("data", metavar="DATA", help="an image/mask folder, or a name below FISSURA_DATA")
    parser.add_argument("--protocol", default="ods", help=f"how to score: {', '.join(PROTOCOLS)} (default: ods)")
    add_selection_arguments(parser, split="test")
    parser.add_argument(
        "--mode",
        choices=("fused", "segmentation"),
        help="fused: low-resolution frames made of the images, scored at the images' resolution; segmentation: the "
        "images as they are (default: fused where the model has super-resolution)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write a picture of hits and misses of every image")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Score; prints a table or JSON."""
    _check_protocol(arguments.protocol)
    dataset = select(arguments.data, arguments)

    from export.scoring import as_dictionary, evaluate, open_model  # PyTorch: seconds

    model = open_model(arguments.model, arguments.mode)
    evaluation = evaluate(model, dataset, arguments.tolerance, arguments.out)
    frames = f"images averaged over {model.scale}x{model.scale} pixels" if model.scale > 1 else "images as stored"
    if arguments.json:
        facts = {
            "protocol": arguments.protocol,
            "tolerance_px": arguments.tolerance,
            "mode": model.mode,
            "scale": model.scale,
            "frames": frames,
            "data": dataset.name,
            "split": dataset.split,
        }
        print(json.dumps({**as_dictionary(evaluation), **facts}, indent=2))
        return 0
    scores, fixed = evaluation.scores, evaluation.at_bundle_threshold
    print(f"{arguments.model} on {scores.images} images of {dataset.name}/{dataset.split}")
    print(f"mode {model.mode}: frames are {frames}; scores at the images' resolution")
    print(f"protocol {arguments.protocol}, tolerance {arguments.tolerance:g} px: {PROTOCOLS[arguments.protocol]}\n")
    at_best = [f"{getattr(scores, name):.4f}" for name in SCORES]
    if fixed is None:
        print(format_table(("score", "value"), list(zip(SCORES, at_best, strict=True)), right=(1,)))
    else:
        shipped = [f"{getattr(fixed, name):.4f}" if hasattr(fixed, name) else "-" for name in SCORES]
        rows = list(zip(SCORES, at_best, shipped, strict=True))
        print(format_table(("score", "best threshold", "bundle's threshold"), rows, right=(1, 2)))
    return 0


def _check_protocol(name: str) -> None:
    if name in PROTOCOLS:
        return
    near = difflib.get_close_matches(name.lower(), PROTOCOLS, n=1, cutoff=0.4)
    raise UsageError(
        f"there is no protocol {name!r}",
        expected=f"one of: {', '.join(PROTOCOLS)}",
        fix=f"did you mean {near[0]!r}?" if near else "",
    )
