"""The `fissura` command: a table of sub-commands. Only the chosen one's module is imported."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from fissura import __version__
from fissura.errors import EXIT_CODE, FissuraError, MissingDependencyError


class CommandModule(Protocol):
    """What a module in the table offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the sub-command's arguments."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do the work and return the exit code."""


@dataclass(frozen=True)
class Form:
    """A module for one word after a sub-command's name, and what it is for."""

    module: str
    summary: str


@dataclass(frozen=True)
class Command:
    """One row: where a sub-command lives, what it is for, and the extra that installs what it needs.

    `forms` are other modules for it, by the word that follows the name: ``fissura bench engines BUNDLE``.
    """

    module: str
    summary: str
    extra: str
    forms: Mapping[str, Form] = field(default_factory=dict)


FLEET_ACTIONS: dict[str, str] = {
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

COMMANDS: dict[str, Command] = {
    "demo": Command("edge_runtime.demo.cli", "find cracks in sample images, over MQTT, with a report", "edge"),
    "run": Command("edge_runtime.run.cli", "camera frames in, crack detections out", "edge"),
    "doctor": Command("edge_runtime.doctor", "what this machine can do, what is missing, how to mend it", "edge"),
    "bench": Command(
        "edge_runtime.bench.cli",
        "latency and throughput of a bundle on this device; `bench engines`: of every engine and precision",
        "edge",
        {"engines": Form("edge_runtime.bench_engines.cli", "speed, memory and accuracy of every engine and precision")},
    ),
    "verify": Command("edge_runtime.verify", "prove a bundle on this device, in every engine it has", "edge"),
    "bundle": Command("edge_runtime.bundle_cli", "inspect, verify and compare model bundles", "edge"),
    "data": Command("train.data.cli", "list and check data sets, make synthetic pavement", "train"),
    "train": Command("train.cli", "train a network from a recipe", "train"),
    "eval": Command("export.evaluate", "score a checkpoint or a bundle on a data set", "export"),
    "calibrate": Command("calibration.cli", "choose the decision threshold of a bundle on real images", "edge"),
    "export": Command("export.cli", "turn a checkpoint into a bundle", "export"),
    "agent": Command("edge_runtime.agent.cli", "keep a run going on this device, and its model up to date", "edge"),
    "fleet": Command(
        "deploy.fleet.cli",
        "publish signed models and roll them out to a fleet",
        "deploy",
        {
            action: Form(f"deploy.fleet.commands.{action.replace('-', '_')}", summary)
            for action, summary in FLEET_ACTIONS.items()
        },
    ),
}

# The wheel holds what a vehicle needs; these come with a checkout of the project only.
CHECKOUT_ONLY = ("train", "export", "calibration", "deploy")


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code (0 done, 1 a check failed, 2 bad input, 130 interrupted)."""
    words = sys.argv[1:] if argv is None else argv
    first = next((word for word in words if not word.startswith("-")), None)
    name = first if first in COMMANDS else None
    try:
        code = _dispatch(words, name)
        sys.stdout.flush()  # here, where a reader that has gone away is still a clean end
    except FissuraError as error:
        return _fail(name, str(error))
    except BrokenPipeError:
        # The interpreter flushes stdout once more at exit; into nothing, so that it stays silent.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_CODE
    except ModuleNotFoundError as error:
        if name is None or (error.name or "").startswith(("fissura", "edge_runtime")):
            raise  # our own mistake, which no installation mends
        return _fail(name, str(_missing(name, error)))
    except OSError as error:  # a full disk, a path without permission
        return _fail(name, str(error))
    except KeyboardInterrupt:
        print("fissura: interrupted", file=sys.stderr)
        return 130
    return code


def _fail(name: str | None, message: str) -> int:
    print(f"fissura{f' {name}' if name else ''}: error: {message}", file=sys.stderr)
    return EXIT_CODE


def _dispatch(words: list[str], name: str | None) -> int:
    parser = argparse.ArgumentParser(prog="fissura", description="Finds cracks in roads and concrete, on the device.")
    parser.add_argument("--version", action="version", version=f"fissura {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    module: CommandModule | None = None
    for row, command in COMMANDS.items():
        subparser = subparsers.add_parser(row, help=command.summary, description=command.summary)
        if row == name:
            after = words.index(name) + 1
            form = next((word for word in words[after : after + 1] if word in command.forms), None)
            if form is not None:
                words = [*words[:after], *words[after + 1 :]]
                subparser.prog += f" {form}"
                subparser.description = command.forms[form].summary
            module = importlib.import_module(command.module if form is None else command.forms[form].module)
            module.add_arguments(subparser)
    arguments = parser.parse_args(words)
    assert module is not None  # argparse has refused unknown names
    return module.run(arguments)


def _missing(name: str, error: ModuleNotFoundError) -> MissingDependencyError:
    """Says what brings the module that a command lacks: a checkout of the project, or an extra of the package."""
    command = COMMANDS[name]
    missing = error.name or ""
    in_checkout = f"pip install -e '.[{command.extra}]'"
    if missing in CHECKOUT_ONLY:
        return MissingDependencyError(
            f"`fissura {name}` is not part of the installed package",
            expected="a checkout of the project: the wheel holds only what a vehicle needs",
            fix=f"clone the project's repository, then in its folder: {in_checkout}",
        )
    if command.module.split(".")[0] in CHECKOUT_ONLY:
        fix = f"in the checkout: {in_checkout}"
    else:
        fix = f"pip install 'fissura[{command.extra}]'"
    return MissingDependencyError(
        f"`fissura {name}` needs the Python package {missing!r}, which is not installed", fix=fix
    )
