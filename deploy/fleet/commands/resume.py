"""`fissura fleet resume`: go on with a roll-out that was paused."""

from __future__ import annotations

import argparse

from deploy.fleet.rollout.ask import add_wish, ask


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare which roll-out, and why."""
    add_wish(parser)


def run(arguments: argparse.Namespace) -> int:
    """Resume."""
    rollout, nobody_moves_it = ask(arguments, "resume", ("paused",))
    print(f"roll-out {rollout.id} is {rollout.state} at {rollout.percent} %")
    if rollout.state == "running" and nobody_moves_it:
        command = f"fissura fleet rollout {rollout.model} {rollout.release} --channel {rollout.channel}"
        print(f"this wave goes on; for the next ones: {command}")
    return 0 if rollout.state == "running" else 1
