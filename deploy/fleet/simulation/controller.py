"""The operator's processes: `fissura fleet rollout`, `abort` and `status --listen`, as anybody would start them."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from deploy.fleet.home import FleetHome
from deploy.fleet.repository.passphrase import VARIABLE
from deploy.fleet.simulation import children
from fissura.errors import FleetError

ABORT_TIMEOUT_S = 120.0


class Operator:
    """One at a time listens.

    Args:
        home: of the fleet.
        channel: that is rolled out on.
        window_s: of announcements.
        passphrase: of the keys.
        log: takes what the processes print.
    """

    def __init__(self, home: FleetHome, channel: str, window_s: float, passphrase: str, log: Path) -> None:
        self._home = home
        self._channel = channel
        self._window_s = window_s
        self._passphrase = passphrase
        self._log = log
        self._process: subprocess.Popen[str] | None = None

    def roll_out(self, model: str, release: int) -> None:
        """Begin a roll-out, or go on with it."""
        window = ["--window", f"{self._window_s:g}"]
        self._start("rollout", model, str(release), "--channel", self._channel, *window)

    def listen(self) -> None:
        """Store what devices say, and no more."""
        self._start("status", "--listen", "--watch", "--json", quiet=True)

    def abort(self, reason: str) -> None:
        """End the roll-out that is paused.

        Raises:
            FleetError: it does not let itself be ended.
        """
        process = children.start(self._command("abort", "--reason", reason), self._log, more=self._secrets)
        try:
            code = process.wait(ABORT_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            code = -1
        finally:
            children.end(process, signal.SIGKILL)
        if code not in (0, 1):
            raise FleetError(f"fissura fleet abort ends with {code}; see {self._log}")

    def ended(self) -> int | None:
        """Exit code of what was started last; None: it runs."""
        return None if self._process is None else self._process.poll()

    def kill(self) -> None:
        """End it as a power cut would."""
        self.close(signal.SIGKILL)

    def close(self, number: int = signal.SIGTERM) -> None:
        """End it."""
        if self._process is not None:
            children.end(self._process, number)
            self._process = None

    def pids(self) -> list[int]:
        """Of the process that runs."""
        process = self._process
        return [] if process is None else [process.pid]

    def _start(self, *words: str, quiet: bool = False) -> None:
        self.close()
        log = Path("/dev/null") if quiet else self._log
        self._process = children.start(self._command(*words), log, more=self._secrets)

    def _command(self, action: str, *words: str) -> list[str]:
        return [sys.executable, "-m", "fissura", "fleet", action, *words, "--fleet", str(self._home.root)]

    @property
    def _secrets(self) -> dict[str, str]:
        return {VARIABLE: self._passphrase}
