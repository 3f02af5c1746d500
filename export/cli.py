"""`fissura export`: a checkpoint in, a bundle out."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from calibration.selection import add_selection_arguments, select
from export.target import check_target
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
    parser.add_argument("--force", action="store_true", help="replace the bundle that stands at --out")
    parser.add_argument("--json", action="store_true", help="print the manifest as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Export; prints what was proved and chosen."""
    out: Path = arguments.out
    name = arguments.name or out.resolve().name
    check_target(out, name, force=arguments.force)
    dataset = select(arguments.calibration_data, arguments)

    from export.package import PackageOptions, export_bundle  # PyTorch: seconds
    from train.checkpoint import load_checkpoint

    options = PackageOptions(
        name=name,
        layout=arguments.layout,
        golden_frames=arguments.golden,
        tolerance_px=arguments.tolerance,
        force=arguments.force,
        tiles=arguments.tiles,
    )
    proposal = None if arguments.proposal is None else load_checkpoint(arguments.proposal)
    bundle = export_bundle(load_checkpoint(arguments.checkpoint), out, dataset, options, proposal)
    manifest = bundle.manifest
    if arguments.json:
        print(json.dumps({"bundle_id": bundle.id, "manifest": manifest.model_dump(mode="json")}, indent=2))
        return 0
    rows = []
    for role, graph in manifest.graphs.items():
        calibration = manifest.calibration.get(role)
        rows.append(
            (
                role,
                f"{manifest.files[graph.file].size_bytes:,}",
                f"{manifest.parity[role].max_abs:.1e}",
                "-" if graph.threshold is None else f"{graph.threshold:.2f}",
                "-" if calibration is None else f"{calibration.f1:.4f}",
            )
        )
    print(format_table(("graph", "bytes", "parity max abs", "threshold", "calibration f1"), rows, right=(1, 2, 3, 4)))
    print(f"bundle: {out}   id {bundle.id[:16]}...")
    return 0
