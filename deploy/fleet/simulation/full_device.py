"""A device with the vehicle's own update machine, reporter and outbox. Engine, frames and surroundings are played."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path

from deploy.fleet.simulation.fates import Fate
from deploy.fleet.simulation.ledger import Step
from deploy.fleet.simulation.pace import Pace
from edge_runtime.updates.clock import SystemClock
from edge_runtime.updates.config import DownloadConfig, UpdatesConfig
from edge_runtime.updates.hints import Hints
from edge_runtime.updates.layout import Layout
from edge_runtime.updates.loop import look_again_and_again
from edge_runtime.updates.machine import UpdateMachine
from edge_runtime.updates.outbox import Outbox, event_uuid
from edge_runtime.updates.ports import Standing
from edge_runtime.updates.reporter import ReportConfig, Reporter
from edge_runtime.updates.repository import TrustedRepository, read_root
from edge_runtime.updates.verified import verified
from fissura.errors import DeferredError, RejectedError
from fissura.update_messages import Phase

Failing = Mapping[int, Mapping[str, Phase]]
JOIN_S = 20.0


class PlayedTrial:
    """Takes as long as a build, and refuses what is to fail."""

    def __init__(self, serial: str, fate: Fate, pace: Pace, failing: Failing) -> None:
        self._serial = serial
        self._delay_s = pace.build_s * fate.pace
        self._failing = failing

    def run(self, bundle: Path, stopping: threading.Event) -> Mapping[str, float]:
        """See `ports.Trial`."""
        stopping.wait(self._delay_s)
        if self._failing.get(int(bundle.parent.name), {}).get(self._serial) == "rejected":
            raise RejectedError("golden: mask IoU 0.41")
        return {"golden_iou": 0.99}


class PlayedStream:
    """Takes as long as the frames would."""

    def __init__(self, layout: Layout, serial: str, fate: Fate, pace: Pace, failing: Failing) -> None:
        self._layout = layout
        self._serial = serial
        self._shadow_s = pace.shadow_s * fate.pace
        self._canary_s = pace.canary_s * fate.pace
        self._failing = failing

    def shadow(self, bundle: Path, stopping: threading.Event) -> Mapping[str, float]:
        """See `ports.Stream`."""
        stopping.wait(self._shadow_s)
        return {"mask_iou": 0.99}

    def switch(self) -> None:
        """See `ports.Stream`."""

    def follow(self, number: int | None) -> None:
        """See `ports.Stream`."""

    def canary(self, stopping: threading.Event) -> Mapping[str, float]:
        """See `ports.Stream`."""
        stopping.wait(self._canary_s)
        if self._failing.get(self._layout.number("active") or 0, {}).get(self._serial) == "rolled_back":
            raise RejectedError("crash: the engine ended in canary")
        return {"p99_ms": 8.0}


class PlayedConditions:
    """Is under way at the first try of an installation, if that is its fate."""

    def __init__(self, fate: Fate, pace: Pace, again: Callable[[float], None]) -> None:
        self._is_deferred = fate.is_deferred
        self._delay_s = pace.deferred_s
        self._again = again
        self._free_s = 0.0

    def check(self) -> None:
        """See `ports.Conditions`."""
        now = time.monotonic()
        if not self._is_deferred or (self._free_s and now >= self._free_s):
            return
        self._free_s = self._free_s or now + self._delay_s
        self._again(self._free_s - now)
        raise DeferredError("flight: the vehicle is under way")


class NotedReport:
    """Notes every step, and passes it on."""

    def __init__(self, serial: str, reporter: Reporter, note: Callable[[Step], None]) -> None:
        self._serial = serial
        self._reporter = reporter
        self._note = note

    def state(self, standing: Standing, sequence: int) -> None:
        """See `ports.Report`."""
        self._reporter.state(standing, sequence)

    def event(self, standing: Standing, sequence: int, happened_utc: datetime, figures: Mapping[str, float]) -> None:
        """See `ports.Report`."""
        uuid = str(event_uuid(self._serial, sequence, happened_utc))
        self._note(Step(time.monotonic(), self._serial, standing.phase, standing.release, standing.active, uuid))
        self._reporter.event(standing, sequence, happened_utc, figures)


class FullDevice:
    """May be switched off and on again.

    Args:
        config: of the device; `serial` and `report` are set.
        fate: what happens to it.
        pace: of its steps.
        failing: how bad releases fail, by release and serial.
        factory: bundle that it came with.
        note: told of every step.
    """

    def __init__(
        self,
        config: UpdatesConfig,
        fate: Fate,
        pace: Pace,
        failing: Failing,
        factory: Path,
        note: Callable[[Step], None],
    ) -> None:
        assert config.serial is not None and config.report is not None
        self._config = config
        self._serial: str = config.serial
        self._report: ReportConfig = config.report
        self._fate = fate
        self._pace = pace
        self._failing = failing
        self._factory = factory
        self._note = note
        self._layout = Layout(config.state)
        self._layout.make()
        self._off: Callable[[], None] | None = None

    def appear(self) -> None:
        """Switch it on."""
        config, serial = self._config, self._serial
        verified(self._layout, self._factory, config.min_release)
        outbox, hints, stopping = Outbox(self._layout.outbox), Hints(config.hint_s), threading.Event()
        reporter = Reporter(
            self._report, serial=serial, channel=config.channel, hardware=config.hardware, outbox=outbox, hints=hints
        )
        machine = UpdateMachine(
            config,
            self._layout,
            TrustedRepository(config.url, read_root(config.root), self._layout.metadata, config.download.timeout_s),
            PlayedTrial(serial, self._fate, self._pace, self._failing),
            PlayedStream(self._layout, serial, self._fate, self._pace, self._failing),
            PlayedConditions(self._fate, self._pace, hints.give),
            NotedReport(serial, reporter, self._note),
            SystemClock(),
        )
        look = partial(look_again_and_again, machine.run_once, config, hints, stopping)
        thread = threading.Thread(target=look, name=serial, daemon=True)

        def off() -> None:
            stopping.set()
            hints.wake()
            thread.join(JOIN_S)
            reporter.close()
            outbox.close()

        reporter.start()
        thread.start()
        self._off = off

    def vanish(self) -> None:
        """Switch it off in good order; the next `appear` goes on."""
        if self._off is not None:
            self._off()
            self._off = None


def device_config(
    serial: str, state: Path, url: str, root: Path, broker: str, channel: str, hardware: str, pace: Pace
) -> UpdatesConfig:
    """Configuration of a device that lives at the simulation's pace."""
    return UpdatesConfig(
        url=url,
        root=root,
        channel=channel,
        state=state,
        serial=serial,
        hardware=hardware,
        tensorrt="10.3",
        poll_s=pace.poll_s,
        hint_s=pace.hint_s,
        download=DownloadConfig(wait_s=0.5, longest_wait_s=5, margin_bytes=0, slowest_bytes_per_s=0),
        report=ReportConfig(broker=broker, keepalive_s=60, version="3.1.1"),
    )
