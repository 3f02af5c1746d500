"""`fissura calibrate`: choose a bundle's thresholds on a list of real images."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from calibration.selection import add_selection_arguments, select
from fissura.bundle import load_bundle
from fissura.errors import UsageError
from fissura.table import format_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `fissura calibrate`."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of the bundle")
    parser.add_argument("data", metavar="DATA", help="an image/mask folder, or a name below FISSURA_DATA")
    add_selection_arguments(parser, split="train")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument(
        "--out", type=Path, metavar="NEW", help="write a new bundle with these thresholds; BUNDLE itself never changes"
    )


def run(arguments: argparse.Namespace) -> int:
    """Choose thresholds; print them, and write them where that was asked for."""
    from calibration.thresholds import calibrate, write_copy

    out: Path | None = arguments.out
    if out is not None and (out.exists() or arguments.bundle.resolve() in out.resolve().parents):
        found = f"{out} exists already" if out.exists() else f"{out} lies inside the bundle"
        raise UsageError(found, expected="the path of a new folder", fix="choose another --out")
    bundle = load_bundle(arguments.bundle)
    dataset = select(arguments.data, arguments)
    thresholds = calibrate(bundle, dataset, arguments.tolerance)
    if out is not None:
        write_copy(bundle, thresholds, out)

    if arguments.json:
        graphs = {role: {"threshold": t.value, **t.record.model_dump(mode="json")} for role, t in thresholds.items()}
        print(json.dumps({"graphs": graphs, "written": None if out is None else str(out)}, indent=2))
        return 0
    rows = []
    for role, threshold in thresholds.items():
        scores = (threshold.record.f1, threshold.record.precision, threshold.record.recall)
        before = bundle.graph(role).threshold
        rows.append((role, f"{before:.2f}", f"{threshold.value:.2f}", *(f"{score:.4f}" for score in scores)))
    print(format_table(("graph", "before", "threshold", "f1", "precision", "recall"), rows, right=(1, 2, 3, 4, 5)))
    print(f"on {len(dataset.samples)} images of {dataset.name}/{dataset.split}, tolerance {arguments.tolerance:g} px")
    print(f"written: {out}" if out is not None else "nothing was written: --out NEW keeps these thresholds")
    return 0
