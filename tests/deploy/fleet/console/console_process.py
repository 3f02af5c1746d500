"""`fissura fleet console` as a real process over TLS."""

from __future__ import annotations

import re
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import httpx

from deploy.fleet.authority.authority import Authority
from deploy.fleet.authority.handout import Fleet, write_handout
from tests.mosquitto import wait_until

SECRET = "a passphrase that is long"


def make_home(folder: Path) -> Path:
    """The folder of a fleet, as far as the console looks at it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "fleet.yaml").write_text("name: north-roads\n")
    return folder


class ConsoleProcess:
    """Starts in the `with` statement; may be killed and started again.

    Args:
        home: of the fleet.
        words: further options; without any: no broker.

    Attributes:
        url: of the page, with a slash at its end.
        token: that was shown last.
    """

    def __init__(self, home: Path, *words: str | Path) -> None:
        self.home = home
        self.url = self.token = ""
        authority = Authority(home / "ca")
        self.ca = authority.certificate
        folder = home / "page"
        if not folder.exists():
            credential = authority.issue("127.0.0.1", "server", 30, SECRET, hosts=("127.0.0.1", "localhost"))
            write_handout(folder, "127.0.0.1", "server", credential, Fleet(self.ca, folder / "root.json"))
        self._words = [
            *(sys.executable, "-m", "fissura", "fleet", "console", "--fleet", str(home), "--listen", "127.0.0.1:0"),
            *("--cert", str(folder / "server.pem"), "--key", str(folder / "server.key")),
            *map(str, words or ("--offline",)),
        ]
        self._lines: list[str] = []
        self._process: subprocess.Popen[str] | None = None

    def start(self, *words: str) -> None:
        """Start it and wait until it answers."""
        self._lines = []
        self._process = subprocess.Popen(
            [*self._words, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        threading.Thread(target=self._read, args=[self._process], daemon=True).start()
        assert wait_until(lambda: "console:" in self.output() or not self.is_alive(), 60), self.output()
        found = re.search(r"console: (\S+)", self.output())
        assert found, self.output()
        self.url = found[1]
        if told := re.search(r"token: in (\S+);", self.output()):
            file = Path(told[1])
            assert file.stat().st_mode & 0o777 == 0o600
            self.token = file.read_text().strip()
            file.unlink()
            assert self.token not in self.output()
        with self.client() as client:  # the line comes before the first answer
            assert client.get("login").status_code == 200

    def output(self) -> str:
        """What it has printed."""
        return "".join(self._lines)

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def terminate(self) -> int:
        """Tell it to end; its exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(30)

    def client(self) -> httpx.Client:
        """A client that trusts the fleet's authority and follows no redirects."""
        trust = ssl.create_default_context(cafile=str(self.ca))
        return httpx.Client(base_url=self.url, verify=trust, timeout=60, trust_env=False)

    @contextmanager
    def logged_in(self) -> Iterator[httpx.Client]:
        """Such a client with a session."""
        with self.client() as client:
            assert client.post("login", data={"token": self.token}).status_code == 303
            yield client

    def __enter__(self) -> ConsoleProcess:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._lines.append(line)
