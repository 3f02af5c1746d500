"""A real mosquitto of our own on a free loopback port, for measurements and tests."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from fissura.errors import MissingDependencyError, SinkError

START_TIMEOUT_S = 10.0


def find_mosquitto() -> str | None:
    """Path of the broker's program; Debian puts it where an ordinary user's PATH does not look."""
    return shutil.which("mosquitto", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]))


class LocalBroker:
    """Starts in the `with` statement and is gone after it; may be killed and started again on the same port.

    Args:
        folder: for its configuration, log and, with persistence, its database.
        settings: further lines of `mosquitto.conf`.

    Attributes:
        port: on 127.0.0.1.

    Raises:
        MissingDependencyError: mosquitto is not installed.
    """

    def __init__(self, folder: Path, settings: Sequence[str] = ("allow_anonymous true",)) -> None:
        program = find_mosquitto()
        if program is None:
            raise MissingDependencyError("mosquitto is not installed", fix="sudo apt-get install mosquitto")
        self.port = free_port()
        self._folder = folder
        self._command = [program, "-c", str(folder / "mosquitto.conf")]
        self._process: subprocess.Popen[bytes] | None = None
        lines = [
            f"listener {self.port} 127.0.0.1",
            f"user {getpass.getuser()}",  # started by root it would become another user, who may not read the folder
            f"log_dest file {folder / 'mosquitto.log'}",
            "max_queued_messages 1000000",  # 0, meant for 'no limit', makes 2.0.11 hang up after each denied message
            *settings,
        ]
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def start(self) -> None:
        """Start it and wait until it listens.

        Raises:
            SinkError: it does not come up; the message ends with its log.
        """
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._listens():
                return
            time.sleep(0.02)
        self.kill()
        log = self._folder / "mosquitto.log"
        raise SinkError(f"mosquitto does not start: {log.read_text(encoding='utf-8') if log.exists() else 'no log'}")

    def _listens(self) -> bool:
        with socket.socket() as client:
            client.settimeout(1)
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def signal(self, number: int) -> None:
        """Send it a signal."""
        if self._process is not None:
            self._process.send_signal(number)

    def stop(self) -> None:
        """End it in good order."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> LocalBroker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
