"""The protocols that a command line asks for, with the options that each takes."""

from __future__ import annotations

import argparse
import difflib
from typing import Any

from fissura.errors import UsageError
from fissura.metrics import PROTOCOLS, build_protocol
from fissura.metrics.protocol import EvaluationProtocol
from fissura.metrics.super_resolution import SuperResolution

ALL = "all"
SUPER_RESOLUTION = "super_resolution"
CSSR = "cssr"
NAMES = (*PROTOCOLS, SUPER_RESOLUTION, ALL)
SUMMARIES = {name: protocol.summary for name, protocol in PROTOCOLS.items()} | {
    SUPER_RESOLUTION: SuperResolution.summary
}
FIELD_OF_FLAG = {
    "tolerance": "tolerance_px",
    "matching": "matching",
    "thinned": "thinned",
    "threshold": "threshold",
    "min_length": "min_length_px",
}
WORDS = {
    "tolerance_px": "tolerance {:g} px",
    "matching": "{} matching",
    "thinned": "thinned",
    "threshold": "threshold {:g}",
    "min_length_px": "cracks from {:g} px",
}


def add_protocol_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `--protocol` and the options of the protocols, besides `--tolerance` and `--labels`."""
    parser.add_argument(
        "--protocol", default="ods", metavar="NAME", help=f"how to score: {', '.join(NAMES)} (default: ods)"
    )
    parser.add_argument(
        "--matching",
        choices=("disk", "one_to_one"),
        help="disk: a pixel counts with any pixel near; one_to_one: each pixel serves one (default: the protocol's)",
    )
    parser.add_argument(
        "--thinned", action="store_const", const=True, help="thin prediction and mask to lines of one pixel"
    )
    parser.add_argument("--threshold", type=float, metavar="T", help="of protocols that score one (default: 0.5)")
    parser.add_argument(
        "--min-length", type=float, metavar="PX", help="shorter cracks are no false alarm (default: 10)"
    )


def check_name(name: str) -> None:
    """Refuse a protocol that is not in the table.

    Raises:
        UsageError: with the nearest name.
    """
    if name in NAMES:
        return
    near = difflib.get_close_matches(name.lower(), NAMES, n=1, cutoff=0.4)
    raise UsageError(
        f"there is no protocol {name!r}",
        expected=f"one of: {', '.join(NAMES)}",
        fix=f"did you mean {near[0]!r}?" if near else "",
    )


def check_options(name: str, arguments: argparse.Namespace) -> None:
    """Refuse options that a protocol does not take.

    Raises:
        UsageError: naming those that it takes.
    """
    fields = PROTOCOLS[name].config.model_fields if name in PROTOCOLS else {}
    wrong = [flag for flag, field in FIELD_OF_FLAG.items() if _given(arguments, flag) and field not in fields]
    if wrong:
        taken = [_option(flag) for flag, field in FIELD_OF_FLAG.items() if field in fields]
        raise UsageError(
            f"protocol {name!r} takes no {', '.join(map(_option, wrong))}",
            expected=f"of these options only {', '.join(taken)}" if taken else "none of its options",
            fix="each protocol at its defaults" if name == ALL else "",
        )


def make_protocol(name: str, arguments: argparse.Namespace) -> EvaluationProtocol:
    """A new protocol with the options that the user gave for it.

    Raises:
        ConfigError: a value is out of range.
    """
    fields = PROTOCOLS[name].config.model_fields
    flags = {flag: field for flag, field in FIELD_OF_FLAG.items() if field in fields and _given(arguments, flag)}
    return build_protocol(name, {field: getattr(arguments, flag) for flag, field in flags.items()})


def options_of(protocol: EvaluationProtocol) -> dict[str, Any]:
    """The options that a protocol runs with, by field of its configuration class."""
    return {field: getattr(protocol, field) for field in protocol.config.model_fields}


def in_words(name: str, options: dict[str, Any]) -> str:
    """A protocol for the reader: ``ods, tolerance 2 px, disk matching: one threshold ...``."""
    words = [name, *(WORDS[field].format(value) for field, value in options.items() if value is not False)]
    return f"{', '.join(words)}: {SUMMARIES[name]}"


def _given(arguments: argparse.Namespace, flag: str) -> bool:
    return getattr(arguments, flag) is not None


def _option(flag: str) -> str:
    return f"--{flag.replace('_', '-')}"
