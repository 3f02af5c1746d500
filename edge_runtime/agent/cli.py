"""`fissura agent`: keep a run going on this device, and its model up to date."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from edge_runtime.agent.supervisor import Supervisor
from edge_runtime.health.systemd import Notifier
from edge_runtime.run.config import RunConfig
from edge_runtime.signals import handling_signals, ignoring_hang_ups
from edge_runtime.updates.config import UpdatesConfig
from edge_runtime.updates.layout import Layout
from fissura.config import load_config
from fissura.errors import ConfigError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--config", type=Path, required=True, metavar="YAML", help="options of the run, as of `fissura run --config`"
    )
    parser.add_argument(
        "--updates",
        type=Path,
        metavar="YAML",
        help="where signed models come from, and their limits (default: `updates` of --config)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Keep the run going until a signal comes, or its sources end; returns its exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    given = {} if arguments.updates is None else {"updates": str(arguments.updates)}
    config = load_config(RunConfig, arguments.config, given)  # what is wrong shows now, and not at every start
    if config.updates is None:
        raise ConfigError(
            "nothing says where updates come from",
            expected="--updates updates.yaml, or `updates` in --config",
            fix="without updates: `fissura run`, under a service manager that starts it again",
        )
    layout = Layout(load_config(UpdatesConfig, config.updates).state)
    command = [
        sys.executable,
        "-m",
        "fissura",
        "run",
        "--config",
        str(arguments.config),
        "--updates",
        str(config.updates),
    ]
    supervisor = Supervisor(command, layout, Notifier())
    with ignoring_hang_ups(), handling_signals(supervisor.stop, supervisor.hurry, supervisor.reload):
        return supervisor.run()
