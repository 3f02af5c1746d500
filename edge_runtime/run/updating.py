"""`fissura run --updates`: the update machine beside the stream, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from edge_runtime.agent.boots import Boots
from edge_runtime.counters import Counters
from edge_runtime.health.monitor import Health
from edge_runtime.pipeline import Pipeline
from edge_runtime.run.active_bundle import ActiveBundle
from edge_runtime.run.config import RunConfig
from edge_runtime.run.live import LiveControl
from edge_runtime.run.live_stream import LiveStream
from edge_runtime.run.surroundings import surroundings
from edge_runtime.updates.canary import Canary
from edge_runtime.updates.clock import SystemClock
from edge_runtime.updates.config import UpdatesConfig
from edge_runtime.updates.deferral import DeviceConditions
from edge_runtime.updates.hints import Hints
from edge_runtime.updates.layout import Layout
from edge_runtime.updates.lock import OnlyRun
from edge_runtime.updates.logged_report import LoggedReport
from edge_runtime.updates.loop import look_again_and_again
from edge_runtime.updates.machine import UpdateMachine
from edge_runtime.updates.outbox import Outbox
from edge_runtime.updates.ports import Report
from edge_runtime.updates.reporter import Reporter
from edge_runtime.updates.repository import TrustedRepository, read_root
from edge_runtime.updates.shadow import Shadow
from edge_runtime.updates.trial.trial import ProcessTrial, Running
from fissura.config import load_config
from fissura.errors import DeferredError, SpoolError, UpdateError
from fissura.update_messages import Phase

logger = logging.getLogger(__name__)

HEALTHY_FRAMES = 10  # so many are done: the start was a good one
PATIENCE_S = 5.0  # without a frame: none is to be expected soon
LOOK_S = 0.2
JOIN_S = 20.0


class Updating:
    """Exchanges the bundle of a run while it goes on.

    Args:
        path: of the file with the options (`UpdatesConfig`).
        config: of the run: its bundle is the one that the device came with, if the file names no other.
        serial: of the run, if the file names no other.

    Attributes:
        active: the bundle to run.

    Raises:
        ConfigError: the file is wrong.
        UpdateError: another process is at work in the state folder.
    """

    def __init__(self, path: Path, config: RunConfig, serial: str) -> None:
        options = load_config(UpdatesConfig, path)
        self._options = options.model_copy(
            update={"serial": options.serial or serial, "factory": options.factory or config.bundle}
        )
        self._layout = Layout(options.state)
        self._root = read_root(options.root)
        self._boots = Boots(self._layout.boots)
        self._stopping = threading.Event()
        self._hints = Hints(options.hint_s)
        self._stack = ExitStack()
        self._only_run = OnlyRun(self._layout)
        self._stack.callback(self._only_run.close)
        self._alone = self._hold()
        self._threads: list[threading.Thread] = []
        self.active = ActiveBundle(self._layout, options.factory, options.min_release, config, alone=self._alone)

    def start(
        self,
        pipeline: Pipeline,
        counters: Counters,
        control: LiveControl,
        health: Health,
    ) -> None:
        """Begin to look for updates.

        Args:
            pipeline: that runs the active bundle.
            counters: of the pipeline.
            control: changes the pipeline.
            health: of the run.
        """
        options = self._options

        def at() -> Running:
            return Running(control.config, pipeline.latest.size())

        stream = LiveStream(
            Shadow(options.shadow, at, pipeline.tap, counters),
            Canary(options.canary, pipeline.tap, counters),
            control,
            self.active,
            self._layout,
            health.reloading,
            pipeline.fail,
        )
        machine = UpdateMachine(
            options,
            self._layout,
            TrustedRepository(options.url, self._root, self._layout.metadata, options.download.timeout_s),
            ProcessTrial(options.trial, at),
            stream,
            DeviceConditions(options.defer),
            self._report() if self._alone else None,
            SystemClock(),
            lambda: surroundings(control.config),
        )
        look = partial(look_again_and_again, partial(self._look, machine), options, self._hints, self._stopping)
        self._threads = [
            threading.Thread(target=look, name="updates", daemon=True),
            threading.Thread(target=self._note_health, args=(counters,), name="boots", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Leave what is under way to the next process. Works without `start`, and a second time."""
        self._stopping.set()
        self._hints.wake()
        for thread in self._threads:
            thread.join(JOIN_S)
            if thread.is_alive():
                logger.warning("the %s do not end: left behind", thread.name)
        self._stack.close()

    def _hold(self) -> bool:
        try:
            self._only_run.hold()
        except UpdateError as error:
            logger.error("this run works with what is active, and changes nothing: %s", error)
            return False
        except OSError as error:  # nobody else can write there either
            logger.error("the state folder cannot be written: %s", error)
        return True

    def _look(self, machine: UpdateMachine, stopping: threading.Event) -> Phase:
        """Once no other run is there."""
        try:
            self._only_run.hold()
        except OSError as error:
            raise DeferredError(f"disk: {error}", expected="a state folder that can be written") from error
        if machine.report is None:
            machine.report = self._report()
        return machine.run_once(stopping)

    def _report(self) -> Report | None:
        """Who tells the operator; None: not now, since the outbox does not open."""
        options = self._options
        assert options.serial is not None  # set in the constructor
        if options.report is None:
            return LoggedReport()
        try:
            outbox = Outbox(self._layout.outbox)
        except SpoolError as error:  # a full disk keeps no device from its work
            logger.error("no reports to the operator, who hears of it later: %s", error)
            return None
        self._stack.callback(outbox.close)
        reporter = Reporter(
            options.report,
            serial=options.serial,
            channel=options.channel,
            hardware=options.hardware,
            outbox=outbox,
            hints=self._hints,
        )
        self._stack.callback(reporter.close)
        reporter.start()
        return reporter

    def _note_health(self, counters: Counters) -> None:
        waiting = False
        while not self._stopping.wait(LOOK_S):
            counts = counters.snapshot()
            if counts.frames >= HEALTHY_FRAMES:
                self._boots.healthy()
                return
            if not waiting and counts.frame_age_s is None and counts.uptime_s > PATIENCE_S:
                self._boots.waiting()
                waiting = True
