"""`fissura fleet revoke`: take a release back."""

from __future__ import annotations

import argparse
import json

from deploy.fleet.home import add_home, open_home
from deploy.fleet.registry.note import note
from deploy.fleet.repository.passphrase import add_passphrase, read_passphrase
from deploy.fleet.repository.repository import Repository


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the release."""
    parser.add_argument("model", metavar="MODEL", help="name of the model")
    parser.add_argument("release", type=int, metavar="RELEASE", help="number of the release to take back")
    parser.add_argument(
        "--fallback",
        type=int,
        metavar="N",
        help="release to give out instead (default: the one that each channel names as its fallback)",
    )
    add_home(parser)
    add_passphrase(parser)
    parser.add_argument("--json", action="store_true", help="print the documents of all channels of the model")


def run(arguments: argparse.Namespace) -> int:
    """Revoke."""
    home = open_home(arguments)
    repository = Repository.open(home, read_passphrase(arguments))
    channels = repository.revoke(arguments.model, arguments.release, arguments.fallback)
    note(
        home,
        "revoke",
        model=arguments.model,
        release=arguments.release,
        channels=[channel.model_dump(mode="json") for channel in channels],
    )
    if arguments.json:
        print(json.dumps([channel.model_dump(mode="json") for channel in channels], indent=2))
        return 0
    for channel in channels:
        print(
            f"channel {channel.channel}: release {arguments.release} of {channel.model} is revoked, "
            f"release {channel.release} goes to {channel.percent} % of the devices"
        )
    return 0
