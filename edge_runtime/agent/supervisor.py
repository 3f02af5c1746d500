"""Keeps a run going: starts it, starts it again, and takes a model back with which it does not start."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

from edge_runtime.agent.boots import MOST_DEATHS, Boots, Starts
from edge_runtime.health.systemd import Notifier
from edge_runtime.signals import signal_name
from edge_runtime.updates.layout import Layout
from edge_runtime.updates.taking_back import pardon, take_back
from fissura.errors import EXIT_CODE, FissuraError

logger = logging.getLogger(__name__)

FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
POLL_S = 0.5
START_S = 1200.0  # a start may build engines: so long the supervisor speaks for it to the service manager
PR_SET_PDEATHSIG = 1


class Supervisor:
    """One run at a time, in a process of its own.

    Args:
        command: of the run.
        layout: of the device's models.
        notifier: to the service manager; the run speaks for itself once it is healthy.
        first_wait_s: before it is started again; doubles with every start that fails.
    """

    def __init__(
        self, command: Sequence[str], layout: Layout, notifier: Notifier, first_wait_s: float = FIRST_WAIT_S
    ) -> None:
        self._command = command
        self._layout = layout
        self._notifier = notifier
        self._first_wait_s = first_wait_s
        self._boots = Boots(layout.boots)
        self._stopping = False  # flags, as signal handlers may take no lock
        self._hurried = False
        self._process: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Until the run ends by itself in good order, or `stop` was called; returns its exit code."""
        wait_s = self._first_wait_s
        while True:
            begun = self._begin()
            code = self._watch()
            healthy = self._boots.well
            if code == 0:
                self._boots.healthy()
            elif not healthy:
                self._count(begun, code)
            if code == 0 or self._stopping:
                return 0 if code == -signal.SIGTERM else code  # asked to end before it could listen
            wait_s = self._first_wait_s if healthy else min(2 * wait_s, LONGEST_WAIT_S)
            logger.error("the run ended with %s, and is started again in %g s", _how(code), wait_s)
            if not self._paused(wait_s):
                return code

    def stop(self) -> None:
        """End the run in good order, and with it the supervisor. May be called from a signal handler."""
        self._stopping = True
        self._send(signal.SIGTERM)

    def hurry(self) -> None:
        """The second signal, and the third, which waits for nothing. May be called from a signal handler."""
        number = signal.SIGKILL if self._hurried else signal.SIGTERM
        self._hurried = True  # before it is sent: the third may come while the second is passed on
        self._send(number)

    def reload(self) -> None:
        """Have the run read its configuration again. May be called from a signal handler."""
        self._send(signal.SIGHUP)

    def _begin(self) -> Starts:
        """Count a start and begin it; returns the count before it."""
        starts = self._boots.of(self._layout.number("active"))
        if starts.too_many:
            self._leave(starts)
            starts = self._boots.of(self._layout.number("active"))
        # Not seen to end, unless it is.
        self._boots.set(starts.but(cuts=starts.cuts + 1))
        prepare = partial(_prepare, os.getpid())
        self._process = subprocess.Popen(self._command, start_new_session=True, preexec_fn=prepare, env=_environment())
        if self._stopping:  # asked in between
            self._send(signal.SIGTERM)
        return starts

    def _count(self, begun: Starts, code: int) -> None:
        """A start has ended before it was healthy."""
        active = self._layout.number("active")
        starts = begun if begun.release == active else self._boots.of(active)  # the run has left one itself
        # Who said why, such as that there is no camera, or was asked to end, did not die.
        orderly = code == EXIT_CODE or self._stopping
        self._boots.set(starts if orderly else starts.but(deaths=starts.deaths + 1))

    def _leave(self, starts: Starts) -> None:
        """Go back from the release that dies. Where the one that was left for it died too, the device is the cause."""
        died = f"{starts.deaths} starts in a row died before their first frames"
        if not starts.deaths >= MOST_DEATHS:
            died = f"the device was cut off in {starts.cuts} starts in a row, before their first frames"
        try:
            if starts.suspect is not None:
                pardon(self._layout, starts.suspect)
            if take_back(self._layout, f"boots: {died}", condemn=starts.suspect is None) is None:
                logger.error("%s, with the bundle that the device came with", died)
        except (FissuraError, OSError) as error:
            logger.error("the model cannot be taken back: %s", error)

    def _watch(self) -> int:
        assert self._process is not None
        end_s = time.monotonic() + START_S
        while True:
            with suppress(subprocess.TimeoutExpired):
                return self._process.wait(POLL_S)
            if time.monotonic() < end_s and not self._boots.well:
                self._notifier.watchdog()

    def _paused(self, seconds: float) -> bool:
        """Wait; whether nobody wants the end meanwhile."""
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0 and not self._stopping:
            time.sleep(min(left_s, POLL_S))
            self._notifier.watchdog()
        return not self._stopping

    def _send(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)


def _environment() -> dict[str, str]:
    """The run feeds the watchdog of the whole service, which this process was given."""
    return {name: value for name, value in os.environ.items() if name != "WATCHDOG_PID"}


def _prepare(supervisor: int) -> None:
    """In the child: whatever becomes of the supervisor, nobody holds the camera without it."""
    with suppress(AttributeError):  # Linux alone has it
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != supervisor:  # gone before it could be said
        os._exit(EXIT_CODE)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it listens: a reload must not end what just starts


def _how(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal_name(-code)
