"""The update machine: from a look into the repository to a model that works, or to the one before it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from edge_runtime.updates.choice import Bounds, check_allowed, check_bounds, wanted_release
from edge_runtime.updates.clock import check_clock
from edge_runtime.updates.collect import collect
from edge_runtime.updates.config import UpdatesConfig
from edge_runtime.updates.fitness import Device, check_fitness, installed_tensorrt
from edge_runtime.updates.http import Http
from edge_runtime.updates.installation import Installation
from edge_runtime.updates.installed import installed, model_of
from edge_runtime.updates.journal import Journal
from edge_runtime.updates.layout import Layout
from edge_runtime.updates.leaving import forget_revoked, leave_revoked
from edge_runtime.updates.lock import locked
from edge_runtime.updates.ports import Clock, Conditions, Report, Stream, Trial
from edge_runtime.updates.prepare import AlteredError, Preparation
from edge_runtime.updates.progress import Progress
from edge_runtime.updates.recovery import recover
from edge_runtime.updates.repository import TrustedRepository, View
from fissura import __version__
from fissura.errors import ConfigError, DeferredError, RejectedError, RepositoryError, UpdateError
from fissura.release import Channel, Release
from fissura.update_messages import Phase

logger = logging.getLogger(__name__)


class UpdateMachine:
    """Keeps a device at what its channel gives out.

    Args:
        config: all about updates; `serial` is set.
        layout: of the device.
        repository: of the fleet.
        trial: tries a model away from the stream.
        stream: the frames.
        conditions: whether there is time for an installation.
        report: tells the operator; None: what there is to tell waits in the state.
        clock: the wall clock.
        tested_with: names engine, mode and libraries of the run; by default those of one that never changes them.

    Attributes:
        report: as above; may be set between two looks.

    Raises:
        ConfigError: `serial` is not set.
    """

    def __init__(
        self,
        config: UpdatesConfig,
        layout: Layout,
        repository: TrustedRepository,
        trial: Trial,
        stream: Stream,
        conditions: Conditions,
        report: Report | None,
        clock: Clock,
        tested_with: Callable[[], str] = lambda: __version__,
    ) -> None:
        if config.serial is None:
            raise ConfigError("`serial` is not set", expected="the serial of the device")
        self._serial = config.serial
        self._config = config
        self._layout = layout
        self._repository = repository
        self._trial = trial
        self._stream = stream
        self._conditions = conditions
        self.report = report
        self._clock = clock
        self._tested_with = tested_with
        self._http = Http(config.url, config.download.timeout_s)
        self._device = Device(config.hardware, config.tensorrt or installed_tensorrt())
        self._told = False

    def run_once(self, stopping: threading.Event) -> Phase:
        """Look into the repository, and follow it to an end. Takes up what an earlier process left.

        Args:
            stopping: set when the process is to end: returns soon then, and the next process goes on.

        Returns:
            The phase that the device is in then.

        Raises:
            RepositoryError: the repository cannot be reached, or is not to be trusted, and nothing was begun.
            DeferredError: the disk cannot be written.
            UpdateError: another process is at work in the state folder.
        """
        try:
            with locked(self._layout):
                journal = Journal(self._layout, self.report, self._clock)
                self._settle(journal)
                self._follow(journal, stopping)
                if not journal.under_way:
                    collect(self._layout, self._config.factory)
                return journal.state.phase
        except OSError as error:
            raise DeferredError(
                f"disk: {error}", expected="a state folder that can be written", fix="make room"
            ) from error

    def _settle(self, journal: Journal) -> None:
        """What an earlier process left."""
        recover(self._layout, journal)
        self._stream.follow(self._layout.number("active"))
        journal.flush()
        if not self._told and self.report is not None:  # a broker may have lost it
            journal.tell()
            self._told = True

    def _follow(self, journal: Journal, stopping: threading.Event) -> None:
        try:
            check_clock(self._clock.now_utc(), journal.state.latest_utc, "a time that has been")
            found = self._look(journal, stopping)
            if found is None:
                self._go_on(journal, stopping)
            else:
                self._obey(journal, *found, stopping)
        except DeferredError as error:
            self._progress(journal).wait(error.found)

    def _look(self, journal: Journal, stopping: threading.Event) -> tuple[View, Channel] | None:
        """The channel; None if it is out of reach, and there is something that can go on without it."""
        try:
            view = self._repository.look(stopping)
            channel = view.channel(self._config.channel)
        except RepositoryError as error:
            if journal.under_way and journal.state.done is not None and error.found.startswith("unreachable"):
                self._check_expiry(journal)
                logger.info("%s: what has been fetched goes on", error.found)
                return None
            raise
        journal.remember_time(view.expires_utc)
        return view, channel

    def _go_on(self, journal: Journal, stopping: threading.Event) -> None:
        """With what was fetched while the repository could be reached: frames may come on the road only."""
        number = journal.state.release
        release = None if number is None else installed(self._layout, number)
        if release is None or self._progress(journal).waits(release.release):
            return
        try:
            self._check_choice(journal, release.model, release.release)
            self._check_release(release)
        except RejectedError as error:
            journal.end("rejected", error.found, quarantine=False)
            return
        self._install(journal, release, None, stopping)

    def _check_expiry(self, journal: Journal) -> None:
        """Whoever keeps the repository away must not keep a device at what was signed long ago."""
        expires_utc = journal.state.expires_utc
        if expires_utc is None or self._clock.now_utc() >= expires_utc:
            raise RepositoryError(
                "expired: the repository is out of reach, and what it said last is not valid any more",
                expected="a look into the repository before the installation goes on",
            )

    def _obey(self, journal: Journal, view: View, channel: Channel, stopping: threading.Event) -> None:
        progress = self._progress(journal)
        number = wanted_release(channel, self._serial)
        leave_revoked(
            self._layout,
            journal,
            self._stream,
            self._conditions,
            channel,
            wanted=number,
            min_release=self._config.min_release,
        )
        if number is None or number == self._layout.number("active"):
            progress.rest()
            return
        try:
            self._check_choice(journal, channel.model, number)
            check_bounds(number, channel, Bounds(self._layout.number("active"), journal.state.committed))
            release = view.release(channel.model, number)
            self._check_release(release)
        except RejectedError as error:
            progress.refuse(channel, number, error.found)
            return
        check_clock(self._clock.now_utc(), release.created_utc, f"release {number} was made")
        if progress.begins(channel, number):
            collect(self._layout, self._config.factory, coming=release)
            preparation = Preparation(self._layout, self._config.download, self._http, view, release, stopping)
            self._install(journal, release, preparation, stopping)
            forget_revoked(self._layout, channel)

    def _check_choice(self, journal: Journal, model: str, number: int) -> None:
        active = self._layout.number("active")
        expected = self._config.model or (None if active is None else model_of(self._layout, active))
        if expected is not None and model != expected:
            raise RejectedError(f"model: the channel gives out {model}", expected=expected)
        if number in journal.state.quarantined:
            raise RejectedError(f"quarantined: {journal.state.quarantined[number]}")
        check_allowed(number, self._config.min_release)

    def _check_release(self, release: Release) -> None:
        check_fitness(release, self._device)
        if release.size > self._config.download.largest_bytes:
            raise RejectedError(
                f"size: {release.size} bytes",
                expected=f"`download.largest_bytes`: {self._config.download.largest_bytes}",
            )

    def _progress(self, journal: Journal) -> Progress:
        return Progress(journal, self._clock, self._config)

    def _install(
        self, journal: Journal, release: Release, preparation: Preparation | None, stopping: threading.Event
    ) -> None:
        installation = Installation(
            self._layout, journal, self._trial, self._stream, self._conditions, stopping, self._tested_with()
        )
        try:
            installation.run(release, preparation)
        except DeferredError:
            raise
        except AlteredError as error:
            logger.warning("release %d is left alone for a while: %s", release.release, error)
            self._progress(journal).set_aside(error.found)
        except UpdateError as error:
            logger.warning("release %d is interrupted: %s", release.release, error)
            self._progress(journal).interrupt(error.found)
