"""`fissura fleet` without an action: says which there are. Each action's module is named in `fissura.cli`."""

from __future__ import annotations

import argparse

from fissura.errors import UsageError

ACTIONS: dict[str, str] = {
    "init": "make a fleet: keys, an empty signed repository, settings",
    "publish": "sign a bundle as the next release of its model",
    "promote": "give a release out on a channel, to all devices or to a part of them",
    "revoke": "take a release back: devices that run it leave it",
    "rotate-keys": "replace the keys of a role",
    "refresh": "sign anew what expires soon; for cron",
    "enroll": "issue or withdraw the certificate of a device",
    "rollout": "widen a release wave by wave, as the devices' reports allow",
    "status": "devices, roll-outs and the reasons of failures",
    "pause": "hold a roll-out where it is",
    "resume": "go on with a roll-out that was paused",
    "abort": "end a roll-out and give out the release before it again",
    "forget": "remove a device that is scrapped, or that says what it should not",
    "console": "a web page of the fleet, its roll-outs and its cracks",
    "simulate": "thousands of devices against a real broker and a real server",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the actions, for the help."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, summary in ACTIONS.items():
        actions.add_parser(name, help=summary)


def run(arguments: argparse.Namespace) -> int:
    """An action that stands somewhere else than behind `fleet`."""
    raise UsageError(f"the action {arguments.action!r} stands too late", expected="fissura fleet ACTION [options]")
