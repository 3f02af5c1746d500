"""`fissura fleet forget`: remove a device from the registry, and what the broker has kept of it."""

from __future__ import annotations

import argparse

from deploy.fleet.home import add_home, open_home
from deploy.fleet.registry.forget import forget
from deploy.fleet.registry.registry import Registry
from deploy.fleet.rollout.broker import add_broker, needed, operators_broker, publish_kept
from deploy.fleet.settings import FleetSettings
from fissura.config import load_config
from fissura.errors import FleetError
from fissura.topics import UPDATE_ONLINE, UPDATE_STATE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the device."""
    parser.add_argument("serial", metavar="SERIAL", help="of the device")
    add_broker(parser)
    add_home(parser)


def run(arguments: argparse.Namespace) -> int:
    """Forget it."""
    home = open_home(arguments)
    address = needed(operators_broker(arguments, home, load_config(FleetSettings, home.settings).broker))
    topics = [topic.of(arguments.serial) for topic in (UPDATE_STATE, UPDATE_ONLINE)]
    with Registry(home.registry) as registry:
        # The broker first: it would tell it all again to the next one that listens.
        if not publish_kept(address, dict.fromkeys(topics, b"")):
            raise FleetError(f"broker {address} does not take it: {arguments.serial} is not forgotten")
        forget(registry, arguments.serial)
    print(f"{arguments.serial} is forgotten; if it speaks again, it is as new")
    return 0
