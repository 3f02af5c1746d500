"""The fleet's broker, with the limits of `deploy/mosquitto`, on loopback and without TLS."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from deploy.fleet.simulation import children
from fissura.errors import FleetError, MissingDependencyError

CONFIGURATION = Path(__file__).parents[2] / "mosquitto" / "mosquitto.conf"
LIMITS = ("max_",)  # how its lines begin
START_TIMEOUT_S = 20.0


class Broker:
    """A mosquitto that may be killed and started again on its port. It keeps nothing over a kill.

    Args:
        folder: for configuration and log.

    Attributes:
        port: on 127.0.0.1.
        peak_bytes: of its resident memory, as far as it was looked at.

    Raises:
        MissingDependencyError: mosquitto is not installed.
    """

    def __init__(self, folder: Path) -> None:
        path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
        program = shutil.which("mosquitto", path=path)
        if program is None:
            raise MissingDependencyError("mosquitto is not installed", fix="sudo apt-get install mosquitto")
        self.program = program
        self.port = free_port()
        self.peak_bytes = 0
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        lines = [
            f"listener {self.port} 127.0.0.1",
            "allow_anonymous true",
            f"user {getpass.getuser()}",
            "persistence false",
            *limits(),
        ]
        (folder / "mosquitto.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def start(self) -> None:
        """Start it and wait until it listens.

        Raises:
            FleetError: it does not come up.
        """
        log = self._folder / "mosquitto.log"
        self._process = children.start([self.program, "-c", self._folder / "mosquitto.conf"], log)
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with socket.socket() as client:
                client.settimeout(1)
                if client.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        self.kill()
        raise FleetError(f"mosquitto does not start: {log.read_text(encoding='utf-8')}")

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self.look()
            children.end(self._process, signal.SIGKILL)
            self._process = None

    def look(self) -> int:
        """Its resident memory now, bytes."""
        now = 0 if self._process is None else children.resident_bytes(self._process.pid)
        self.peak_bytes = max(self.peak_bytes, now)
        return now


def limits() -> list[str]:
    """The lines of the fleet's configuration that limit what clients may take."""
    lines = CONFIGURATION.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith(LIMITS)]


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
