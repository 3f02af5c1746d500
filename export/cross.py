"""`fissura eval --cross`: every model on every data set, by one protocol.

Reference: paper 001, section IV-E (cross database testing).
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from calibration.selection import select
from export.protocols import ALL, SUPER_RESOLUTION, in_words, make_protocol, options_of
from fissura.errors import UsageError
from fissura.files import write_text
from fissura.metrics import PROTOCOLS


def add_cross_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `--cross`, `--models` and `--score`."""
    parser.add_argument(
        "--cross", nargs="+", metavar="DATA", help="score every model of --models on every one of these data sets"
    )
    parser.add_argument("--models", nargs="+", metavar="MODEL", help="the models of --cross")
    parser.add_argument("--names", nargs="+", metavar="NAME", help="what tables and figures of --cross call the models")
    parser.add_argument(
        "--score", metavar="NAME", help="score that the matrix of --cross, or --degrade, shows (default: the chief)"
    )


def run_cross(arguments: argparse.Namespace) -> int:
    """Score; prints a Markdown table or JSON, and writes both with `--out`."""
    name: str = arguments.protocol
    check_cross(arguments)
    protocol = make_protocol(name, arguments)
    labels = arguments.labels or protocol.labels
    sets = {data: select(data, arguments, labels) for data in arguments.cross}

    from export.scoring import evaluate, open_model  # PyTorch: seconds

    scores: dict[str, dict[str, dict[str, float]]] = {}
    for title, spec in names_of(arguments).items():
        model = open_model(spec, arguments.mode)
        scores[title] = {
            data: evaluate(model, dataset, {name: make_protocol(name, arguments)})[name].scores
            for data, dataset in sets.items()
        }
    shown = arguments.score or protocol.headline
    result: dict[str, Any] = {
        "protocol": name,
        "options": options_of(protocol),
        "labels": labels,
        "split": arguments.split,
        "images": {data: len(dataset.samples) for data, dataset in sets.items()},
        "scores": scores,
    }
    document = json.dumps(result, indent=2)
    caption = f"`{shown}` by protocol {in_words(name, options_of(protocol))}. Columns: `{arguments.split}` of each set."
    markdown = f"{caption}\n\n{matrix(scores, shown)}"
    if arguments.out is not None:
        write_text(arguments.out / "cross.json", document + "\n")
        write_text(arguments.out / "cross.md", markdown + "\n")
    print(document if arguments.json else markdown)
    return 0


def matrix(scores: dict[str, dict[str, dict[str, float]]], shown: str) -> str:
    """A Markdown table of one score: rows are models, columns data sets.

    Args:
        scores: by model, data set and name.
        shown: name of the score.

    Raises:
        UsageError: the protocol gives no such score.
    """
    columns = list(next(iter(scores.values())))
    lines = ["| model | " + " | ".join(columns) + " |", "|---|" + "---|" * len(columns)]
    for model, row in scores.items():
        cells = []
        for figures in row.values():
            if shown not in figures:
                raise UsageError(f"there is no score {shown!r}", expected=f"one of: {', '.join(figures)}")
            cells.append(f"{figures[shown]:.4f}")
        lines.append(f"| {model} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def names_of(arguments: argparse.Namespace) -> dict[str, str]:
    """The models of `--models` by what `--names` calls them; by themselves without it."""
    return dict(zip(arguments.names or arguments.models, arguments.models, strict=True))


def check_cross(arguments: argparse.Namespace) -> None:
    """Refuse what does not go with `--cross`.

    Raises:
        UsageError: with what was expected.
    """
    if arguments.degrade is not None:
        raise UsageError("--cross and --degrade exclude each other", fix="one command a model")
    if arguments.model is not None:
        raise UsageError(
            f"--cross takes no MODEL and DATA beside it (found {arguments.model})",
            expected="fissura eval --cross DATA [DATA ...] --models MODEL [MODEL ...]",
        )
    if not arguments.models:
        raise UsageError("--cross has no models", fix="name them with --models")
    if arguments.names is not None and len(arguments.names) != len(arguments.models):
        raise UsageError(f"{len(arguments.names)} --names", expected=f"one for each of {len(arguments.models)} models")
    given = (("data set", arguments.cross), ("model", arguments.models), ("name", arguments.names or []))
    for kind, names in given:
        if len(set(names)) < len(names):
            raise UsageError(f"a {kind} stands twice: {', '.join(names)}", expected="each once")
    if arguments.protocol in (ALL, SUPER_RESOLUTION):
        raise UsageError(
            f"--cross cannot score {arguments.protocol!r}", expected=f"one protocol of: {', '.join(PROTOCOLS)}"
        )
