"""`fissura fleet pause`: hold a roll-out where it is."""

from __future__ import annotations

import argparse

from deploy.fleet.rollout.ask import add_wish, ask


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare which roll-out, and why."""
    add_wish(parser)


def run(arguments: argparse.Namespace) -> int:
    """Pause."""
    rollout, _ = ask(arguments, "pause", ("running",))
    print(f"roll-out {rollout.id} is {rollout.state} at {rollout.percent} %: no device begins that has not begun")
    return 0 if rollout.state == "paused" else 1
