"""`fissura export`: a checkpoint in, a bundle out."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import get_args

from calibration.sample import Method
from calibration.selection import add_selection_arguments, select
from export.target import check_target
from fissura.bundle import Bundle, Manifest, VariantName
from fissura.dataset import find_dataset, load_dataset
from fissura.errors import UsageError
from fissura.table import format_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `fissura export`."""
    parser.add_argument(
        "checkpoint", type=Path, metavar="CHECKPOINT", help="checkpoint or run folder of `fissura train`"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="BUNDLE", help="folder to write")
    parser.add_argument("--name", help="name of the bundle (default: the folder's)")
    parser.add_argument(
        "--calibration-data",
        required=True,
        metavar="DATA",
        help="images that choose the thresholds: an image/mask folder, or a name below FISSURA_DATA",
    )
    add_selection_arguments(parser, split="train")
    parser.add_argument(
        "--free-batch", action="store_true", help="graphs take several cameras' frames at once (for GPUs)"
    )
    parser.add_argument("--layout", choices=("NHWC", "NCHW"), default="NHWC", help="of the input (default: NHWC)")
    parser.add_argument(
        "--golden", type=int, choices=range(1, 9), default=3, metavar="N", help="golden frames a graph (default: 3)"
    )
    parser.add_argument("--tiles", action="store_true", help="add the graph that runs on parts of a frame")
    parser.add_argument(
        "--proposal",
        type=Path,
        metavar="RUN",
        help="checkpoint of the cascade's cheap pass: its segmentation takes camera frames; implies --tiles",
    )
    _add_precision_arguments(parser)
    parser.add_argument("--force", action="store_true", help="replace the bundle that stands at --out")
    parser.add_argument("--json", action="store_true", help="print the manifest as JSON")


def _add_precision_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("lower precision", "only what passes the accuracy gate enters the bundle")
    group.add_argument(
        "--precision",
        nargs="+",
        choices=("fp16", "int8", "int8-portable", "int8-cpu"),
        default=[],
        help="also try these; int8 is both kinds: portable (TensorRT, ONNX Runtime), cpu (ONNX Runtime, OpenVINO)",
    )
    group.add_argument(
        "--max-drop",
        type=_points,
        default=0.5,
        metavar="POINTS",
        help="of the ODS F1 against fp32, percent points (default: %(default)s)",
    )
    group.add_argument(
        "--validation-data",
        metavar="DATA",
        help="images that the gate scores on (default: those of the calibration data that the ranges are not from)",
    )
    group.add_argument("--validation-split", default="test", metavar="LIST", help="(default: %(default)s)")
    group.add_argument(
        "--range-images", type=_count, default=32, metavar="N", help="for the ranges of int8 (default: %(default)s)"
    )
    group.add_argument(
        "--range-choice", choices=get_args(Method), default="k_center", help="of these images (default: %(default)s)"
    )
    group.add_argument("--range-seed", type=int, default=0, metavar="S", help="of the choice (default: %(default)s)")
    group.add_argument(
        "--report", type=Path, metavar="DIR", help="write what the gate tried: plots of speed against drop, JSON"
    )


def run(arguments: argparse.Namespace) -> int:
    """Export; prints what was proved and chosen. The exit code is 1 where the gate refused something."""
    out: Path = arguments.out
    name = arguments.name or out.resolve().name
    check_target(out, name, force=arguments.force)
    _check_precision_arguments(arguments)
    dataset = select(arguments.calibration_data, arguments)
    validation = None
    if arguments.validation_data is not None:
        root = find_dataset(arguments.validation_data)
        validation = load_dataset(root, arguments.validation_split, seed=arguments.split_seed)

    from export.gate import Limits
    from export.lower import LowerOptions
    from export.package import PackageOptions, export_bundle  # PyTorch: seconds
    from train.checkpoint import load_checkpoint

    options = PackageOptions(
        name=name,
        layout=arguments.layout,
        free_batch=arguments.free_batch,
        golden_frames=arguments.golden,
        tolerance_px=arguments.tolerance,
        force=arguments.force,
        tiles=arguments.tiles,
        lower=LowerOptions(
            variants=_variants(arguments.precision),
            limits=Limits(arguments.max_drop),
            images=arguments.range_images,
            method=arguments.range_choice,
            seed=arguments.range_seed,
            validation=validation,
        ),
        report=arguments.report,
    )
    proposal = None if arguments.proposal is None else load_checkpoint(arguments.proposal)
    bundle = export_bundle(load_checkpoint(arguments.checkpoint), out, dataset, options, proposal)
    refused = _refused(bundle.manifest, options.lower.variants)
    if arguments.json:
        document = {"bundle_id": bundle.id, "manifest": bundle.manifest.model_dump(mode="json"), "refused": refused}
        print(json.dumps(document, indent=2))
    else:
        print(_as_text(bundle))
    for name in refused:
        print(f"fissura export: {name} lost more than the gate allows: it is not in the bundle", file=sys.stderr)
    return 1 if refused else 0


def _check_precision_arguments(arguments: argparse.Namespace) -> None:
    for option in ("report", "validation_data"):
        if getattr(arguments, option) is not None and not arguments.precision:
            raise UsageError(f"--{option.replace('_', '-')} without --precision", expected="--precision fp16, or int8")
    report: Path | None = arguments.report
    if report is not None and arguments.out.resolve() in (report.resolve(), *report.resolve().parents):
        raise UsageError(
            f"the report {report} lies in the bundle {arguments.out}, which holds nothing else",
            fix="choose another DIR",
        )


def _as_text(bundle: Bundle) -> str:
    manifest, rows = bundle.manifest, []
    for role, graph in manifest.graphs.items():
        label: str = role
        shown = [(label, graph.file, manifest.parity[role], manifest.calibration.get(role), graph.threshold, "-")]
        for name, variant in graph.variants.items():
            drop = f"{variant.gate.drop:+.2f}"
            shown.append((f"  {name}", variant.file, variant.parity, variant.calibration, variant.threshold, drop))
        for label, file, parity, calibration, threshold, drop in shown:
            rows.append(
                (
                    label,
                    f"{manifest.files[file].size_bytes:,}",
                    f"{parity.max_abs:.1e}",
                    "-" if threshold is None else f"{threshold:.2f}",
                    "-" if calibration is None else f"{calibration.f1:.4f}",
                    drop,
                )
            )
    header = ("graph", "bytes", "parity max abs", "threshold", "calibration f1", "drop")
    return f"{format_table(header, rows, right=(1, 2, 3, 4, 5))}\nbundle: {bundle.path}   id {bundle.id[:16]}..."


def _variants(words: list[str]) -> tuple[VariantName, ...]:
    """In the order of the schema, each once."""
    asked = {name for word in words for name in (("int8-portable", "int8-cpu") if word == "int8" else (word,))}
    return tuple(name for name in get_args(VariantName) if name in asked)


def _refused(manifest: Manifest, variants: tuple[VariantName, ...]) -> list[str]:
    """What was asked for and is not there. An image's graph is free to stay fp32: super-resolution often does."""
    return [
        f"{role} {name}"
        for role, graph in manifest.graphs.items()
        for name in variants
        if graph.output.kind == "probability" and name not in graph.variants
    ]


def _points(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number <= 100:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected percent points above 0, such as 0.5")
    return number


def _count(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number of 1 or more")
    return number
