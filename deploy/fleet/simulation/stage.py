"""Everything that a simulation needs, started, and ended with the `with` statement."""

from __future__ import annotations

import json
import logging
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.request import urlopen

from deploy.fleet.home import FleetHome
from deploy.fleet.registry.registry import Registry
from deploy.fleet.repository.create import create_fleet
from deploy.fleet.repository.repository import Repository
from deploy.fleet.settings import FleetSettings, RolloutSettings
from deploy.fleet.simulation import children
from deploy.fleet.simulation.broker import Broker
from deploy.fleet.simulation.controller import Operator
from deploy.fleet.simulation.fates import failing, fate, serials
from deploy.fleet.simulation.fetch import Fetcher
from deploy.fleet.simulation.full_worker import Order
from deploy.fleet.simulation.ledger import Ledger
from deploy.fleet.simulation.light_device import LightDevice, World
from deploy.fleet.simulation.loop import Loop
from deploy.fleet.simulation.plan import CHANNEL, SPARE_FILES, Plan
from deploy.fleet.simulation.played_bundle import played_bundle
from deploy.fleet.simulation.shared_view import SharedView
from deploy.fleet.simulation.swarm import Swarm
from deploy.fleet.simulation.voice import HARDWARE
from deploy.fleet.simulation.watch import Watch
from deploy.fleet.simulation.workers import Workers
from fissura.errors import FleetError
from fissura.release import Release

logger = logging.getLogger(__name__)

LOOK_S = 0.25
LOG_TAIL = 2000  # characters
GOOD, BAD, LATER = 1, 2, 3  # releases


class Stage:
    """The fleet and its surroundings.

    Args:
        plan: what is simulated.
        folder: for all that is written; an empty one.

    Attributes:
        began_s: monotonic.
        fleet: all serials.
        full: those with the real update machine.
        failing: devices on which the bad release fails, and how.
    """

    def __init__(self, plan: Plan, folder: Path) -> None:
        children.raise_open_files(plan.devices + SPARE_FILES)
        self.plan = plan
        self.folder = folder
        self.began_s = time.monotonic()
        self.ledger = Ledger()
        self.heard: dict[str, float] = {}
        self.fleet = serials(plan.devices)
        # Every so many devices one is full, so that they stand in all waves.
        self.full = self.fleet[:: max(1, plan.devices // plan.full)][: plan.full] if plan.full else []
        self.failing = failing(self.fleet, BAD, plan.failing_share, plan.waves, plan.seed)
        self._stack = ExitStack()
        self._server: subprocess.Popen[str] | None = None
        try:
            self._set_up()
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _set_up(self) -> None:
        plan, folder = self.plan, self.folder
        self.broker = Broker(folder)
        self._stack.callback(self.broker.kill)
        self.broker.start()
        self.home, passphrase = FleetHome(folder / "fleet"), secrets.token_urlsafe(24)
        rollout = RolloutSettings(waves=plan.waves, silence_s=plan.pace.silence_s)
        broker = f"mqtt://127.0.0.1:{self.broker.port}"
        create_fleet(self.home, FleetSettings(name="simulated", broker=broker, rollout=rollout), passphrase)
        repository = Repository.open(self.home, passphrase)
        self.releases: dict[int, Release] = {}
        for number in (GOOD, BAD, LATER):
            release = repository.publish(played_bundle(folder / f"bundle-{number}", plan.seed * 10 + number))
            self.releases[release.release] = release
        self.url = self._start_server()
        self.registry = self._stack.enter_context(Registry(self.home.registry))
        self.operator = Operator(self.home, CHANNEL, plan.pace.window_s, passphrase, folder / "operator.log")
        self._stack.callback(self.operator.close)
        self._make_devices(broker)
        self.watch = Watch(self.broker.look, self._pids)
        self._stack.callback(self.watch.close)

    def _start_server(self) -> str:
        words = [str(self.home.metadata.parent), "--seed", str(self.plan.seed)]
        command = [sys.executable, "-m", "deploy.fleet.simulation.web_server", *words]
        server = children.start(command, self.folder / "server.log", piped=True)
        self._server = server
        self._stack.callback(children.end, server)
        assert server.stdout is not None
        port = server.stdout.readline().strip()
        if not port:
            raise FleetError(f"the web server does not start; see {self.folder / 'server.log'}")
        return f"http://127.0.0.1:{port}"

    def _make_devices(self, broker: str) -> None:
        plan = self.plan
        root = self.home.metadata / "1.root.json"
        self.loop = Loop()
        self._stack.callback(self.loop.close)
        self.fetcher = Fetcher(self.loop, int(self.url.rpartition(":")[2]))
        world = World(
            loop=self.loop,
            broker_port=self.broker.port,
            fetcher=self.fetcher,
            view=SharedView(self.url, root.read_bytes(), self.folder / "shared-view", CHANNEL),
            ledger=self.ledger,
            pace=plan.pace,
            channel=CHANNEL,
            heard=self.heard,
            failing={BAD: self.failing},
        )
        whole = set(self.full)
        light = [LightDevice(serial, fate(serial, plan.seed), world) for serial in self.fleet if serial not in whole]
        self.swarm = Swarm(self.loop, light, self.broker.port)
        self.loop.start()
        order = Order(
            serials=self.full,
            folder=str(self.folder / "devices"),
            url=self.url,
            root=str(root),
            broker=broker,
            channel=CHANNEL,
            hardware=HARDWARE,
            factory=str(played_bundle(self.folder / "factory", plan.seed * 10)),
            day_s=plan.day_s,
            seed=plan.seed,
            failing={BAD: self.failing},
        )
        self.workers = Workers(order, self.ledger, self.folder / "devices.log")
        self._stack.callback(self.workers.close)

    def _pids(self) -> list[int]:
        processes = [*self.workers.processes, *([] if self._server is None else [self._server])]
        return [process.pid for process in processes] + self.operator.pids()

    def wait(self, condition: Callable[[], bool], what: str, limit_s: float | None = None) -> float:
        """Wait for something; returns how long it took, seconds.

        Raises:
            FleetError: it does not come; or a process of ours has ended.
        """
        began, limit_s = time.monotonic(), limit_s or self.plan.step_s
        while not condition():
            if time.monotonic() - began > limit_s:
                raise FleetError(f"simulation: {what}: not after {limit_s:.0f} s", fix=f"see the logs in {self.folder}")
            if any(process.poll() is not None for process in self.workers.processes):
                raise FleetError(f"simulation: a process with devices has ended; see {self.folder / 'devices.log'}")
            time.sleep(LOOK_S)
        took_s = time.monotonic() - began
        logger.info("%6.1f s  %s (%.1f s)", time.monotonic() - self.began_s, what, took_s)
        return took_s

    def served(self) -> dict[str, Any]:
        """What the web server has counted."""
        with urlopen(self.url + "/-/figures", timeout=30) as response:
            figures: dict[str, Any] = json.load(response)
        return figures

    def log_tail(self) -> str:
        """The end of what the operator's processes have printed."""
        return (self.folder / "operator.log").read_text(errors="replace")[-LOG_TAIL:]
