"""The command-line arguments that choose images and masks: the same words for `calibrate`, `export` and `eval`."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace

from fissura.dataset import Dataset, find_dataset, load_dataset


def add_selection_arguments(parser: argparse.ArgumentParser, *, split: str) -> None:
    """Declare `--split`, `--split-seed`, `--drop`, `--limit` and `--tolerance`; `split` is the default list."""
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
        "--tolerance", type=_pixels, default=2.0, metavar="PX", help="tolerance of the scores in pixels (default: 2)"
    )


def select(data: str, arguments: argparse.Namespace) -> Dataset:
    """The images that the arguments name.

    Args:
        data: a folder, or a name below FISSURA_DATA.
        arguments: parsed by a parser that `add_selection_arguments` extended.

    Raises:
        DatasetError: no such set or split, an image without a mask, or nothing left.
    """
    drop = tuple(name for names in arguments.drop for name in names)
    dataset = load_dataset(find_dataset(data), arguments.split, drop=drop, seed=arguments.split_seed)
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
