"""`fissura fleet status`: devices, roll-outs and the reasons of failures."""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import ExitStack

from deploy.fleet.home import add_home, open_home
from deploy.fleet.registry.registry import Registry
from deploy.fleet.rollout.broker import add_broker, needed, operators_broker
from deploy.fleet.rollout.listener import Listener
from deploy.fleet.rollout.overview import in_tables, overview
from deploy.fleet.settings import FleetSettings
from fissura.config import load_config

PERIOD_S = 2.0
SETTLING_S = 15.0
CLEAR = "\x1b[2J\x1b[H"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is shown, and how."""
    parser.add_argument("--json", action="store_true", help="for programs; with --watch one document a line")
    parser.add_argument("--watch", action="store_true", help=f"again every {PERIOD_S:.0f} s, until it is interrupted")
    parser.add_argument(
        "--listen", action="store_true", help="store what devices report meanwhile, as a roll-out does while it runs"
    )
    add_broker(parser)
    add_home(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show."""
    home = open_home(arguments)
    settings = load_config(FleetSettings, home.settings)
    with ExitStack() as stack:
        registry = stack.enter_context(Registry(home.registry))
        if arguments.listen:
            listener = Listener(registry, needed(operators_broker(arguments, home, settings.broker)))
            stack.callback(listener.close)
            listener.start()
            listener.wait_settled(SETTLING_S)
        while True:
            _show(registry, arguments)
            if not arguments.watch:
                return 0
            time.sleep(PERIOD_S)


def _show(registry: Registry, arguments: argparse.Namespace) -> None:
    view = overview(registry)
    if arguments.json:
        print(json.dumps(view, indent=None if arguments.watch else 2), flush=True)
    else:
        clear = CLEAR if arguments.watch and sys.stdout.isatty() else ""
        print(f"{clear}{in_tables(view)}", flush=True)
