"""`fissura fleet` without an action: says which there are. Their table is in `fissura.cli`."""

from __future__ import annotations

import argparse

from fissura.cli import FLEET_ACTIONS
from fissura.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions, for the help."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, summary in FLEET_ACTIONS.items():
        actions.add_parser(name, help=summary)


def run(arguments: argparse.Namespace) -> int:
    """An action that stands somewhere else than behind `fleet`."""
    raise UsageError(f"the action {arguments.action!r} stands too late", expected="fissura fleet ACTION [options]")
