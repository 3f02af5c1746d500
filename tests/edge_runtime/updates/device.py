"""A device whose frames, engine and operator are played; TUF, HTTP and the machine are real."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from edge_runtime.updates.config import DownloadConfig, UpdatesConfig
from edge_runtime.updates.installed import check_release
from edge_runtime.updates.layout import Layout
from edge_runtime.updates.machine import UpdateMachine
from edge_runtime.updates.ports import Standing
from edge_runtime.updates.repository import TrustedRepository, read_root
from edge_runtime.updates.verified import verified
from fissura.bundle import load_bundle
from fissura.release import load_release
from fissura.update_messages import TERMINAL, Phase

Act = Callable[[], None]


def nothing() -> None:
    """The default of every hook."""


class Kill(BaseException):
    """The process is gone."""


def raising(error: BaseException) -> Act:
    def act() -> None:
        raise error

    return act


class PlayedTrial:
    def __init__(self) -> None:
        self.act: Act = nothing
        self.bundles: list[Path] = []

    def run(self, bundle: Path, stopping: threading.Event) -> Mapping[str, float]:
        self.bundles.append(bundle)
        self.act()
        return {"p99_ms": 1.0}


class PlayedStream:
    """Runs what the link names, as the real one does."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.running = layout.number("active")
        self.on_shadow: Act = nothing
        self.on_switch: Act = nothing
        self.on_follow: Act = nothing
        self.on_canary: Act = nothing

    def shadow(self, bundle: Path, stopping: threading.Event) -> Mapping[str, float]:
        load_bundle(bundle)
        self.on_shadow()
        return {"mask_iou": 0.99}

    def switch(self) -> None:
        self.on_switch()
        number = self._layout.number("active")
        if number is not None:
            load_bundle(self._layout.release_bundle(number))
        self.running = number

    def follow(self, number: int | None) -> None:
        if number != self.running:
            self.on_follow()
            self.running = number

    def canary(self, stopping: threading.Event) -> Mapping[str, float]:
        self.on_canary()
        return {"p99_ms": 2.0}


class Events:
    """What the operator hears."""

    def __init__(self) -> None:
        self.told: list[tuple[int, Standing]] = []
        self.figures: list[Mapping[str, float]] = []
        self.last: Standing | None = None

    def state(self, standing: Standing, sequence: int) -> None:
        self.last = standing

    def event(self, standing: Standing, sequence: int, happened_utc: datetime, figures: Mapping[str, float]) -> None:
        if sequence not in {number for number, _ in self.told}:
            self.told.append((sequence, standing))
            self.figures.append(figures)

    @property
    def phases(self) -> list[Phase]:
        return [standing.phase for _, standing in self.told]

    @property
    def ends(self) -> list[tuple[Phase, int | None]]:
        return [(standing.phase, standing.release) for _, standing in self.told if standing.phase in TERMINAL]


class PlayedConditions:
    def __init__(self) -> None:
        self.act: Act = nothing

    def check(self) -> None:
        self.act()


class PlayedClock:
    def __init__(self) -> None:
        self.ahead = timedelta()

    def now_utc(self) -> datetime:
        return datetime.now(timezone.utc) + self.ahead


class Device:
    """`boot` starts it, again and again on one disk."""

    def __init__(self, folder: Path, url: str, root: bytes, factory: Path, **settings: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "root.json").write_bytes(root)
        self.factory = factory
        download = {"wait_s": 0.01, "longest_wait_s": 0.05, "timeout_s": 5, "tries": 3, "margin_bytes": 0}
        self.config = UpdatesConfig(
            url=url,
            root=folder / "root.json",
            state=folder / "state",
            factory=factory,
            **{
                "serial": "truck-07",
                "hardware": "jetson-orin-nano",
                **settings,
                "download": DownloadConfig(**{**download, **settings.get("download", {})}),
            },
        )
        self.layout = Layout(self.config.state)
        self.events = Events()
        self.trial = PlayedTrial()
        self.conditions = PlayedConditions()
        self.clock = PlayedClock()
        self.stopping = threading.Event()
        self.tested_with = "one engine"
        self.boot()

    def boot(self) -> Path:
        """A start of the process; returns the bundle that it opens."""
        opened = verified(self.layout, self.factory, self.config.min_release)
        self.stream = PlayedStream(self.layout)
        self.machine = UpdateMachine(
            self.config,
            self.layout,
            TrustedRepository(self.config.url, read_root(self.config.root), self.layout.metadata, timeout_s=5),
            self.trial,
            self.stream,
            self.conditions,
            self.events,
            self.clock,
            lambda: self.tested_with,
        )
        return opened

    def look(self) -> Phase:
        return self.machine.run_once(self.stopping)

    @property
    def active(self) -> int | None:
        return self.layout.number("active")

    def check_active(self) -> int | None:
        """What runs is whole, and is what the link says; returns it."""
        number = self.active
        if number is not None:
            document = load_release(self.layout.release(number) / "release.json")
            check_release(self.layout.release_bundle(number), document)
        assert self.stream.running == number
        return number
