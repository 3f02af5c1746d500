"""`fissura verify`: may this device run this bundle, in which engines and at which precisions, and how fast?"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from edge_runtime.arguments import at_least, frame_size
from edge_runtime.engine_options import HELP, option_of_kind, options_by_kind
from edge_runtime.engines import ENGINES
from edge_runtime.engines.engine import MOST_THREADS
from edge_runtime.golden import golden_of
from edge_runtime.proof import Prover, Row
from edge_runtime.stored_graph import runnable
from edge_runtime.verify_report import FP32, Verification, as_dictionary, as_text
from fissura.bundle import Bundle, VariantName, load_bundle
from fissura.errors import MissingDependencyError, UsageError
from fissura.progress import progress

VARIANTS = (FP32, *get_args(VariantName))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.description = (
        "Run every graph of a bundle in every engine that this device has, at every precision, and compare it with its "
        "golden frames and with fp32 in ONNX Runtime. Exit code 0: all is right, 1: something is not, 2: the bundle or "
        "the command line is wrong."
    )
    add = parser.add_argument
    add("bundle", type=Path, metavar="BUNDLE", help="the model, made by `fissura export`")
    add(
        "--engines",
        type=_names(ENGINES),
        metavar="A,B",
        help="only these, which must be there (default: all there are)",
    )
    add("--variants", type=_names(VARIANTS), metavar="A,B", help=f"only these of {', '.join(VARIANTS)} (default: all)")
    add("--size", type=frame_size, default=(320, 240), metavar="WxH", help="camera frame, pixels (default: 320x240)")
    add("--frames", type=at_least(1, int), default=30, metavar="N", help="for the latency (default: %(default)s)")
    threads = at_least(0, int, most=MOST_THREADS)
    add("--threads", type=threads, metavar="N", help="of engines that have them; 0: all cores (default: the engine's)")
    option = f"{HELP}; not of the ONNX Runtime that the others are compared with"
    add("--engine-option", action="append", type=option_of_kind, default=[], metavar="KIND.NAME=VALUE", help=option)
    add("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Prove everything and print what was found."""
    bundle = load_bundle(arguments.bundle)
    engines = arguments.engines or tuple(ENGINES)
    options = options_by_kind(arguments.engine_option, engines)
    prover = Prover(bundle, golden_of(bundle), arguments.size, arguments.frames, arguments.threads, options)
    rows, unavailable = _prove(bundle, prover, engines, arguments.variants or VARIANTS)
    if not rows and not unavailable:
        raise UsageError(
            f"there is nothing to verify: no graph of the bundle runs at {' or '.join(arguments.variants)} here",
            expected=f"what the bundle has: {', '.join(_offered(bundle))}, in an engine that runs it",
            fix="leave out --variants",
        )
    found = Verification(
        bundle,
        arguments.size,
        arguments.frames,
        arguments.threads,
        options,
        rows,
        unavailable,
        # What was asked for by name and is not there is a failure; what was not asked for is only said.
        passed=bool(rows) and all(row.passed for row in rows) and not (arguments.engines and unavailable),
    )
    print(json.dumps(as_dictionary(found), indent=2) if arguments.json else as_text(found))
    return 0 if found.passed else 1


def _prove(
    bundle: Bundle, prover: Prover, engines: Sequence[str], variants: Sequence[str]
) -> tuple[list[Row], dict[str, str]]:
    """The rows, and the engines that are not there, with the reason."""
    rows: list[Row] = []
    unavailable: dict[str, str] = {}
    work = [(role, engine) for role in bundle.manifest.graphs for engine in engines]
    references = {}
    for role, engine in progress(work, "verifying", len(work)):
        if engine in unavailable:
            continue
        try:
            chosen = [name for name in runnable(bundle, role, engine) if (name or FP32) in variants]
            if chosen and role not in references:
                references = {role: prover.reference(role)}  # of one graph at a time: they are large
            rows += [prover.prove(role, engine, variant, references[role]) for variant in chosen]
        except MissingDependencyError as error:
            if engine == "onnxruntime":
                raise  # what the others are compared with
            unavailable[engine] = error.found
    return rows, unavailable


def _offered(bundle: Bundle) -> list[str]:
    held = {name for graph in bundle.manifest.graphs.values() for name in graph.variants}
    return [name for name in VARIANTS if name == FP32 or name in held]


def _names(known: Mapping[str, object] | Sequence[str]) -> Any:
    """Names from a list, with commas between them."""

    def parse(text: str) -> tuple[str, ...]:
        names = tuple(dict.fromkeys(text.split(",")))
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"found {', '.join(unknown)!r}, expected some of {', '.join(known)}")
        return names

    return parse
