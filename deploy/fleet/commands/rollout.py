"""`fissura fleet rollout`: widen a release wave by wave, as the devices' reports allow."""

from __future__ import annotations

import argparse
import logging
import signal
import threading
import time

from deploy.fleet.home import add_home, open_home
from deploy.fleet.registry.registry import Registry
from deploy.fleet.registry.rollouts import begin, open_rollout
from deploy.fleet.registry.rows import Rollout
from deploy.fleet.repository.passphrase import add_passphrase, read_passphrase
from deploy.fleet.repository.repository import Repository
from deploy.fleet.rollout.broker import add_broker, needed, operators_broker
from deploy.fleet.rollout.channel import essence
from deploy.fleet.rollout.controller import Controller
from deploy.fleet.rollout.listener import Listener
from deploy.fleet.rollout.lock import moving
from deploy.fleet.rollout.new_channel import check_new_channel
from deploy.fleet.rollout.outcome import shortfall
from deploy.fleet.rollout.plan import plan_rollout
from deploy.fleet.rollout.run import run_rollout
from deploy.fleet.settings import RolloutSettings
from fissura.errors import FleetError, UsageError
from fissura.update_messages import Announcement

WINDOW_S = 60.0
LONGEST_WINDOW_S = 86_400.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the release and how it is given out."""
    parser.add_argument("model", metavar="MODEL", help="name of the model")
    parser.add_argument("release", type=int, metavar="RELEASE", help="number of the release")
    parser.add_argument("--channel", required=True, metavar="NAME", help="channel, for example stable")
    parser.add_argument("--waves", metavar="P,P,...", help="percent of the devices (default: those of fleet.yaml)")
    parser.add_argument(
        "--window",
        type=float,
        default=WINDOW_S,
        metavar="SECONDS",
        help="the devices ask the repository spread over so long (default: %(default)s)",
    )
    parser.add_argument("--stay", action="store_true", help="when it is paused, wait for a resume instead of ending")
    add_broker(parser)
    add_home(parser)
    add_passphrase(parser)


def run(arguments: argparse.Namespace) -> int:
    """Roll out; 0: all devices have it on offer, 1: it is paused, was aborted, or is done with too many failures."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    if not 0 <= arguments.window <= LONGEST_WINDOW_S:
        raise UsageError(f"--window {arguments.window}", expected=f"0 to {LONGEST_WINDOW_S:.0f} seconds")
    home = open_home(arguments)
    repository = Repository.open(home, read_passphrase(arguments))
    settings = repository.settings.rollout
    waves = settings.waves if arguments.waves is None else _waves(arguments.waves)
    address = needed(operators_broker(arguments, home, repository.settings.broker))
    with Registry(home.registry) as registry, moving(registry.path, arguments.channel):
        rollout = _take_up(registry, repository, arguments, waves)
        listener = Listener(registry, address)

        def announce(rollout: Rollout) -> None:
            listener.announce(Announcement(channel=rollout.channel, release=rollout.release, window_s=arguments.window))

        def tell(rollout: Rollout) -> None:
            _tell(rollout, shortfall(registry, rollout, settings))

        controller = Controller(registry, rollout, repository, settings, announce)
        stopping = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopping.set())
        announce(rollout)  # again: the broker may have forgotten it
        listener.start()
        try:
            rollout = run_rollout(controller, listener, stopping, stay=arguments.stay, told=tell)
        finally:
            listener.close()
        failed = shortfall(registry, rollout, settings)
    if stopping.is_set():
        print("stopped; the same command goes on with it")
    return 0 if rollout.state == "done" and failed is None else 1


def _take_up(
    registry: Registry, repository: Repository, arguments: argparse.Namespace, waves: tuple[int, ...]
) -> Rollout:
    """The roll-out that is under way, or a new one, or the one that is done."""
    rollout = open_rollout(registry, arguments.channel)
    if rollout is None:
        repository.release(arguments.model, arguments.release)
        now = repository.channel(arguments.channel)
        for one in registry.rollouts():
            same = (one.model, one.release, one.channel) == (arguments.model, arguments.release, arguments.channel)
            if same and one.state == "done" and one.signed == essence(now):
                return one
        if now is None and not registry.devices(arguments.channel):
            others = [one.channel for one in repository.channels() if one.model == arguments.model]
            check_new_channel(arguments.channel, arguments.model, arguments.release, others)
        revoked = repository.revoked(arguments.model)
        plan = plan_rollout(arguments.model, arguments.release, arguments.channel, waves, now, revoked)
        return begin(registry, plan, time.time())
    if (rollout.model, rollout.release) != (arguments.model, arguments.release):
        raise FleetError(
            f"release {rollout.release} of {rollout.model} is under way on channel {rollout.channel!r}",
            fix=f"fissura fleet abort --channel {rollout.channel}, or finish it",
        )
    if arguments.waves is not None and waves != rollout.percents:
        raise FleetError(
            f"roll-out {rollout.id} is under way with the waves {_commas(rollout.percents)}",
            fix="leave --waves out, or abort it first",
        )
    return rollout


def _waves(text: str) -> tuple[int, ...]:
    try:
        percents = tuple(int(word) for word in text.split(","))
        return RolloutSettings(waves=percents).waves
    except ValueError:  # pydantic's is one
        raise UsageError(f"--waves {text!r}", expected="growing percentages, the last one 100: 1,10,50,100") from None


def _tell(rollout: Rollout, failed: str | None) -> None:
    what = f"release {rollout.release} of {rollout.model}, channel {rollout.channel}, {rollout.percent} %"
    why = f", but {failed}" if failed else f" ({rollout.reason})" if rollout.reason else ""
    print(f"{what}: {rollout.state}{why}", flush=True)
    if rollout.state == "paused":
        wish = f"--channel {rollout.channel}"
        print(f"look at `fissura fleet status`, then: fissura fleet resume {wish}, or fissura fleet abort {wish}")


def _commas(percents: tuple[int, ...]) -> str:
    return ",".join(map(str, percents))
