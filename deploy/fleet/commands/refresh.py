"""`fissura fleet refresh`: sign anew what expires soon; for cron."""

from __future__ import annotations

import argparse
import json
import logging
import sys

from deploy.fleet.commands.rotate_keys import add_keys
from deploy.fleet.home import add_home, open_home
from deploy.fleet.registry.note import note
from deploy.fleet.repository.passphrase import add_passphrase, read_passphrase
from deploy.fleet.repository.repository import Repository
from fissura.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what soon means."""
    parser.add_argument(
        "--within",
        type=float,
        metavar="DAYS",
        help="sign what expires within so many days (default: for each role, half of the days its signature holds)",
    )
    add_keys(parser)
    add_home(parser)
    add_passphrase(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Refresh; a root that needs hands is told on stderr, where cron makes a mail of it."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if arguments.within is not None and not arguments.within >= 0:
        raise UsageError(f"--within {arguments.within:g}", expected="0 or more days")
    for folder in arguments.keys:
        if not folder.is_dir():
            raise UsageError(f"--keys {folder} is no folder", fix="plug the stick in, or leave --keys out")
    home = open_home(arguments)
    repository = Repository.open(home, read_passphrase(arguments), arguments.keys)
    done = repository.refresh(arguments.within)
    if done.signed:
        note(home, "refresh", signed=done.signed)
    if arguments.json:
        expires = {role: moment.isoformat() for role, moment in done.expires.items()}
        print(json.dumps({"signed": done.signed, "expires": expires, "by_hand": done.by_hand}, indent=2))
        return 0
    first = min(done.expires, key=lambda role: done.expires[role])
    print(
        f"signed anew: {', '.join(done.signed) or 'nothing, all holds'}; "
        f"{first} expires first, {done.expires[first]:%Y-%m-%d %H:%M} UTC"
    )
    if done.by_hand is not None:
        print(
            f"the root expires {done.expires['root']:%Y-%m-%d} and has to be signed by hand: {done.by_hand}; "
            "then: fissura fleet refresh --keys DIR",
            file=sys.stderr,
        )
    return 0
