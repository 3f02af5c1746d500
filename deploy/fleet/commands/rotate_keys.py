"""`fissura fleet rotate-keys`: replace the keys of a role, by the root's keys."""

from __future__ import annotations

import argparse
import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from deploy.fleet.home import add_home, open_home
from deploy.fleet.registry.note import note
from deploy.fleet.repository.passphrase import add_passphrase, first_line, read_passphrase
from deploy.fleet.repository.repository import Repository
from deploy.fleet.settings import RoleName


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the role and its new keys."""
    parser.add_argument("role", choices=get_args(RoleName), metavar="ROLE", help=", ".join(get_args(RoleName)))
    parser.add_argument("--count", type=int, metavar="N", help="number of new keys (default: as many as before)")
    parser.add_argument("--threshold", type=int, metavar="K", help="signatures the role needs (default: as before)")
    add_keys(parser)
    add_home(parser)
    add_passphrase(parser)
    parser.add_argument(
        "--new-passphrase-file",
        type=Path,
        metavar="FILE",
        help="its first line closes the new keys, and opens those that it closed before (default: the same as now)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def add_keys(parser: argparse.ArgumentParser) -> None:
    """Declare the option that names sticks with keys."""
    parser.add_argument(
        "--keys",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="folder where private keys lie too, a stick for example; may be given several times",
    )


def run(arguments: argparse.Namespace) -> int:
    """Rotate; which keys come and go is said on stderr before a root key signs it."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    home = open_home(arguments)
    new: Path | None = arguments.new_passphrase_file
    repository = Repository.open(
        home, read_passphrase(arguments), arguments.keys, None if new is None else first_line(new)
    )
    done = repository.rotate_keys(arguments.role, arguments.count, arguments.threshold)
    note(home, "rotate-keys", **asdict(done))
    if arguments.json:
        print(json.dumps(asdict(done), indent=2))
        return 0
    names = ", ".join(f"{name}.pem" for name in done.new)
    print(f"root version {done.root_version}: {done.role} is signed by {done.threshold} of {names} in {home.keys}")
    print(f"no longer trusted, destroy all copies: {', '.join(f'{name}.pem' for name in done.old)}")
    return 0
