"""The command-line arguments that choose images and masks: the same words for `calibrate`, `export` and `eval`."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace

from fissura.dataset import Dataset, find_dataset, load_dataset


def add_selection_arguments(
    parser: argparse.ArgumentParser, *, split: str, tolerance: float | None = 2.0, labels: str | None = "masks"
) -> None:
    """Declare `--split`, `--split-seed`, `--drop`, `--limit`, `--labels` and `--tolerance`.

    Args:
        parser: of the command.
        split: the default list.
        tolerance, labels: the defaults; None is told apart from whatever the user may give.
    """
    usual_labels = labels or "the protocol's"
    usual_tolerance = "the protocol's" if tolerance is None else f"{tolerance:g}"
    parser.add_argument("--split", default=split, help=f"list of the data set: train, test, all... (default: {split})")
    parser.add_argument(
        "--split-seed",
        type=_seed,
        default=0,
        metavar="S",
        help="of the split that is drawn where the data set has no train.txt and test.txt (default: 0)",
    )
    parser.add_argument(
        "--drop", type=_identifiers, nargs="+", action="extend", default=[], metavar="ID", help="images to leave out"
    )
    parser.add_argument("--limit", type=_count, metavar="N", help="use only the first N images")
    parser.add_argument(
        "--labels",
        default=labels,
        metavar="FOLDER",
        help=f"folder of the data set that holds the masks (default: {usual_labels})",
    )
    parser.add_argument(
        "--tolerance",
        type=_pixels,
        default=tolerance,
        metavar="PX",
        help=f"tolerance of the scores in pixels (default: {usual_tolerance})",
    )


def select(data: str, arguments: argparse.Namespace, labels: str = "masks") -> Dataset:
    """The images that the arguments name.

    Args:
        data: a folder, or a name below FISSURA_DATA.
        arguments: parsed by a parser that `add_selection_arguments` extended.
        labels: folder of the masks where the arguments name none.

    Raises:
        DatasetError: no such set or split, an image without a mask, or nothing left.
    """
    drop = tuple(name for names in arguments.drop for name in names)
    root, seed = find_dataset(data), arguments.split_seed
    dataset = load_dataset(root, arguments.split, drop=drop, seed=seed, labels=arguments.labels or labels)
    return replace(dataset, samples=dataset.samples[: arguments.limit])


def _identifiers(text: str) -> list[str]:
    """IDs with commas between them: ``--drop 042,054`` is ``--drop 042 054``."""
    return [name for name in text.split(",") if name]


def _count(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number of 1 or more")
    return number


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number of 0 or more")
    return int(text)


def _pixels(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (0 <= number < 100):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a number of pixels from 0 to 100")
    return number
