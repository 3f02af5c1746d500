"""`fissura fleet simulate`: thousands of devices against a real broker and a real server."""

from __future__ import annotations

import argparse
import json
import logging
import shlex
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from deploy.fleet.simulation.plan import SCENARIOS, Plan
from deploy.fleet.simulation.report import page, short, write_report
from deploy.fleet.simulation.simulate import simulate
from fissura.errors import FleetError, UsageError

LEAST_DEVICES = 10
DEFAULTS = Plan(devices=LEAST_DEVICES)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the fleet and where the report goes."""
    parser.add_argument("--devices", type=int, required=True, metavar="N", help="devices in the fleet")
    parser.add_argument(
        "--full",
        type=int,
        metavar="N",
        help=f"of them with the whole update machine (default: {DEFAULTS.full}, a tenth of a small fleet)",
    )
    parser.add_argument("--seed", type=int, default=DEFAULTS.seed, help="of all that is drawn (default: %(default)s)")
    parser.add_argument(
        "--day",
        type=float,
        default=DEFAULTS.day_s,
        metavar="SECONDS",
        help="that a simulated day takes; all other times follow from it (default: %(default)s)",
    )
    parser.add_argument("--waves", metavar="P,P,...", help="percent of the devices (default: 1,10,50,100)")
    parser.add_argument(
        "--scenarios",
        default=",".join(SCENARIOS),
        metavar="NAME,...",
        help="which are played after the first: good, bad, offline (default: %(default)s)",
    )
    parser.add_argument(
        "--failing",
        type=float,
        default=DEFAULTS.failing_share,
        metavar="SHARE",
        help="of the devices on which the bad release fails (default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write simulation.json, simulation.md, simulation.png")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Simulate; 0: all that is demanded holds, 1: it does not."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    plan = _plan(arguments)
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(int(plan.limit_s))
    try:
        with tempfile.TemporaryDirectory(prefix="fissura-fleet-", ignore_cleanup_errors=True) as folder:
            result = simulate(plan, Path(folder))
    finally:
        signal.alarm(0)
    result["command"] = f"fissura fleet simulate {shlex.join(_words(arguments))}"
    if arguments.out is not None:
        write_report(result, arguments.out)
    print(json.dumps(short(result), indent=1) if arguments.json else page(result))
    return 0 if result["holds"] else 1


def _plan(arguments: argparse.Namespace) -> Plan:
    devices = arguments.devices
    if devices < LEAST_DEVICES:
        raise UsageError(f"--devices {devices}", expected=f"{LEAST_DEVICES} or more")
    full = min(DEFAULTS.full, devices // 10) if arguments.full is None else arguments.full
    if not 0 <= full <= devices:
        raise UsageError(f"--full {full}", expected=f"0 to {devices}")
    if arguments.day < 1:
        raise UsageError(f"--day {arguments.day:g}", expected="1 or more seconds")
    if not 0 <= arguments.failing <= 1:
        raise UsageError(f"--failing {arguments.failing:g}", expected="0 to 1")
    wanted = arguments.scenarios.split(",")
    if wanted[0] != SCENARIOS[0] or not set(wanted) <= set(SCENARIOS):
        raise UsageError(f"--scenarios {arguments.scenarios}", expected="good, good,bad, good,offline or all three")
    return Plan(
        devices=devices,
        full=full,
        seed=arguments.seed,
        day_s=arguments.day,
        waves=DEFAULTS.waves if arguments.waves is None else _waves(arguments.waves),
        failing_share=arguments.failing,
        scenarios=tuple(name for name in SCENARIOS if name in wanted),
    )


def _waves(text: str) -> tuple[int, ...]:
    try:
        percents = tuple(int(word) for word in text.split(","))
    except ValueError:
        percents = ()
    if not percents or list(percents) != sorted(set(percents)) or percents[0] < 1 or percents[-1] != 100:
        raise UsageError(f"--waves {text!r}", expected="growing percentages, the last one 100: 1,10,50,100")
    return percents


def _words(arguments: argparse.Namespace) -> list[str]:
    """The command line again, without where the report went."""
    words = ["--devices", str(arguments.devices)]
    defaults: dict[str, object] = {
        "seed": DEFAULTS.seed,
        "day": DEFAULTS.day_s,
        "failing": DEFAULTS.failing_share,
        "scenarios": ",".join(SCENARIOS),
    }
    for name in ("full", "seed", "day", "waves", "scenarios", "failing"):
        value = getattr(arguments, name)
        if value not in (None, defaults.get(name)):
            words += [f"--{name}", f"{value:g}" if isinstance(value, float) else str(value)]
    return words


def _terminate(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _too_long(number: int, frame: FrameType | None) -> None:
    raise FleetError("the simulation took too long and was ended", fix="fewer --devices, or a quieter machine")
