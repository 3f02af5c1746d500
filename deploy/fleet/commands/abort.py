"""`fissura fleet abort`: end a roll-out and give out the release before it again."""

from __future__ import annotations

import argparse

from deploy.fleet.rollout.ask import add_wish, ask


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare which roll-out, and why."""
    add_wish(parser)


def run(arguments: argparse.Namespace) -> int:
    """Abort."""
    rollout, _ = ask(arguments, "abort", ("running", "paused", "aborting"))
    print(f"roll-out {rollout.id} is {rollout.state}")
    if rollout.state != "aborted":
        return 1
    if rollout.fallback is None:
        print("there is no release before it: no other device gets it, and those that have it keep it")
    else:
        print(f"release {rollout.release} is revoked; all devices of {rollout.channel} get release {rollout.fallback}")
    return 0
