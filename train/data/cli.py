"""`fissura data list|check|synth`: what data sets there are, what is wrong with them, and making synthetic ones."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

from fissura.config import load_config, parse_config
from fissura.dataset import DATA_VARIABLE, data_folder, find_dataset, find_datasets
from fissura.errors import DatasetError, UsageError
from fissura.table import format_table
from train.data.check import Report, check_dataset
from train.data.summary import Summary, summarise


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `list`, `check` and `synth`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    listing = actions.add_parser("list", help=f"data sets below the folder that {DATA_VARIABLE} names")
    listing.add_argument("--data", type=Path, metavar="DIR", help=f"look below DIR instead of {DATA_VARIABLE}")
    listing.add_argument("--json", action="store_true", help="print JSON instead of a table")
    listing.set_defaults(data_action=_list)

    check = actions.add_parser(
        "check",
        help="find files that would spoil a training run",
        description="Find files that would spoil a training run. Exit code 0: clean, 1: problems, 2: no data set.",
    )
    check.add_argument("dataset", metavar="DATASET", help=f"a folder, or a name below {DATA_VARIABLE}")
    check.add_argument("--json", action="store_true", help="print JSON instead of lines")
    check.set_defaults(data_action=_check)

    synth = actions.add_parser("synth", help="make pavement with cracks of known width")
    synth.add_argument("out", type=Path, metavar="OUT", help="folder to write")
    synth.add_argument("--count", type=int, default=100, metavar="N", help="number of images (default: 100)")
    synth.add_argument("--size", type=_size, metavar="WxH", help="width and height in pixels, for example 480x320")
    synth.add_argument("--gsd", type=float, metavar="MM", help="ground sampling distance in mm per pixel")
    synth.add_argument("--seed", type=int, default=0, metavar="S", help="same seed, same images (default: 0)")
    synth.add_argument("--config", type=Path, metavar="FILE", help="YAML file with the generator's settings")
    synth.add_argument("--force", action="store_true", help="replace the synthetic set that stands at OUT")
    synth.set_defaults(data_action=_synth)


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked for."""
    code: int = arguments.data_action(arguments)
    return code


def _list(arguments: argparse.Namespace) -> int:
    folder: Path | None = arguments.data or data_folder()
    if folder is None:
        raise UsageError(
            f"{DATA_VARIABLE} names no folder",
            expected="a folder that holds data sets, each with `images/` and `masks/`",
            fix=f"export {DATA_VARIABLE}=/path/to/data, or add --data /path/to/data",
        )
    if not folder.is_dir():
        raise DatasetError(f"there is no folder {folder}", fix="check the path")
    summaries = [summarise(path) for path in find_datasets(folder)]
    if arguments.json:
        print(json.dumps([asdict(summary) for summary in summaries], indent=2))
    elif summaries:
        header = ("data set", "images", "split", "size", "crack %")
        print(format_table(header, [_row(summary) for summary in summaries], right=(1, 4)))
    else:
        print(f"{folder} holds no data sets (folders with `images/`)")
    return 0


def _row(summary: Summary) -> tuple[str, ...]:
    sizes = [f"{size[0]}x{size[1]}" for size in (summary.smallest, summary.largest) if size]
    return (
        summary.name,
        str(summary.images),
        ", ".join(f"{name} {count}" for name, count in summary.splits.items()) or "-",
        " to ".join(dict.fromkeys(sizes)) or "-",
        "-" if summary.crack_percent is None else f"{summary.crack_percent:.2f}",
    )


def _check(arguments: argparse.Namespace) -> int:
    report = check_dataset(find_dataset(arguments.dataset))
    print(json.dumps(_as_json(report), indent=2) if arguments.json else _as_text(report))
    return 1 if report.problems else 0


def _as_json(report: Report) -> dict[str, Any]:
    fraction = report.crack_fraction
    return asdict(report) | {
        "crack_fraction": {"mean": fmean(fraction), "min": min(fraction), "max": max(fraction)} if fraction else None
    }


def _as_text(report: Report) -> str:
    splits = ", ".join(f"{name} {count}" for name, count in report.splits.items()) or "no list files"
    lines = [f"{report.name}: {report.images} images ({splits})"]
    if report.unlisted:
        lines.append(f"  images in no list: {report.unlisted}")
    lines.append(f"  empty masks: {report.empty_masks}")
    if report.crack_fraction:
        mean, low, high = fmean(report.crack_fraction), min(report.crack_fraction), max(report.crack_fraction)
        lines.append(f"  crack pixels: {100 * mean:.2f} % on average, {100 * low:.2f} to {100 * high:.2f} %")
    lines += [f"{problem.kind}: {problem.file}: {problem.found}; {problem.fix}" for problem in report.problems]
    count = len(report.problems)
    lines.append(f"{count} problem{'s' if count > 1 else ''} found" if count else "no problems found")
    return "\n".join(lines)


def _synth(arguments: argparse.Namespace) -> int:
    out: Path = arguments.out
    if arguments.count < 1:
        raise UsageError(f"--count is {arguments.count}", expected="1 or more")
    if out.exists() and (not out.is_dir() or any(out.iterdir())) and not arguments.force:
        raise UsageError(
            f"{out} exists and is " + ("not empty" if out.is_dir() else "no folder"),
            expected="a new folder",
            fix="name another, or add --force to replace a set that this command made",
        )
    from fissura.synth import SynthConfig, write_dataset  # only this action needs the generator

    overrides: dict[str, Any] = {}
    if arguments.size is not None:
        overrides["width"], overrides["height"] = arguments.size
    if arguments.gsd is not None:
        overrides["gsd_mm_per_px"] = arguments.gsd
    config = (
        load_config(SynthConfig, arguments.config, overrides)
        if arguments.config
        else parse_config(SynthConfig, overrides, origin="command line")
    )
    write_dataset(out, arguments.count, config, arguments.seed)
    print(f"wrote {arguments.count} images to {out}")
    return 0


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"{text!r} is no size; expected WIDTHxHEIGHT, for example 480x320")
    return int(width), int(height)
