"""What `fissura fleet pause`, `resume` and `abort` have in common."""

from __future__ import annotations

import argparse
import sys

from deploy.fleet.home import add_home, open_home
from deploy.fleet.registry.registry import Registry
from deploy.fleet.registry.rows import Intent, Rollout
from deploy.fleet.repository.passphrase import add_passphrase, read_passphrase
from deploy.fleet.repository.repository import Repository
from deploy.fleet.rollout.broker import add_broker, announce_once, operators_broker
from deploy.fleet.rollout.wish import find_rollout, fulfil
from fissura.errors import FleetError
from fissura.update_messages import Announcement


def add_wish(parser: argparse.ArgumentParser) -> None:
    """Declare which roll-out, and why."""
    parser.add_argument("--channel", metavar="NAME", help="of the roll-out (default: the only one)")
    parser.add_argument("--reason", default="", metavar="TEXT", help="for the audit and for others who look")
    add_broker(parser)
    add_home(parser)
    add_passphrase(parser)


def ask(arguments: argparse.Namespace, intent: Intent, allowed: tuple[str, ...]) -> tuple[Rollout, bool]:
    """Have a wish fulfilled.

    Args:
        arguments: of the command line.
        intent: the wish.
        allowed: states of a roll-out in which it makes sense.

    Returns:
        The roll-out afterwards, and whether no controller runs.
    """
    home = open_home(arguments)
    repository = Repository.open(home, read_passphrase(arguments))
    with Registry(home.registry) as registry:
        rollout = find_rollout(registry, arguments.channel, intent)
        if rollout.state not in allowed:
            raise FleetError(f"roll-out {rollout.id} is {rollout.state}", expected=" or ".join(allowed))
        settings = repository.settings
        address = operators_broker(arguments, home, settings.broker)
        rollout, here = fulfil(registry, rollout, intent, arguments.reason, repository, settings.rollout)
    if here and (address is None or not announce_once(address, Announcement(channel=rollout.channel))):
        print("the broker could not be told: the devices find out when they look by themselves", file=sys.stderr)
    return rollout, here
