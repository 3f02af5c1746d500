"""`fissura fleet promote`: give a release out on a channel."""

from __future__ import annotations

import argparse

from deploy.fleet.home import add_home, open_home
from deploy.fleet.registry.note import note
from deploy.fleet.repository.channels import WHOLE
from deploy.fleet.repository.passphrase import add_passphrase, read_passphrase
from deploy.fleet.repository.repository import Repository


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the release, the channel and the part of the devices."""
    parser.add_argument("model", metavar="MODEL", help="name of the model")
    parser.add_argument("release", type=int, metavar="RELEASE", help="number of the release")
    parser.add_argument("--channel", required=True, metavar="NAME", help="channel, for example stable; made if new")
    parser.add_argument(
        "--percent", type=int, default=WHOLE, metavar="P", help="of the devices that get it (default: %(default)s)"
    )
    parser.add_argument(
        "--fallback",
        type=int,
        metavar="N",
        help="release of the other devices, and of all if this one is revoked (default: what the channel gave out)",
    )
    add_home(parser)
    add_passphrase(parser)
    parser.add_argument("--json", action="store_true", help="print the channel's document")


def run(arguments: argparse.Namespace) -> int:
    """Promote."""
    home = open_home(arguments)
    repository = Repository.open(home, read_passphrase(arguments))
    channel = repository.promote(
        arguments.model,
        arguments.release,
        arguments.channel,
        percent=arguments.percent,
        fallback=arguments.fallback,
    )
    note(home, "promote", channel=channel.model_dump(mode="json"))
    if arguments.json:
        print(channel.to_json().decode(), end="")
        return 0
    print(f"channel {channel.channel}: release {channel.release} of {channel.model} for {channel.percent} % of devices")
    if channel.percent < WHOLE:
        others = "what they have" if channel.fallback is None else f"release {channel.fallback}"
        print(f"the others run {others}")
    return 0
