"""A real PostgreSQL of our own, on a socket of the file system."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

from tests.mosquitto import wait_until

SYSTEM = Path("/usr/lib/postgresql")


def find_postgres() -> Path | None:
    """Folder of the programs of the newest version that has PostGIS."""
    for folder in sorted(SYSTEM.glob("*/bin"), reverse=True):
        version = folder.parent.name
        if Path(f"/usr/share/postgresql/{version}/extension/postgis.control").exists() and (folder / "initdb").exists():
            return folder
    return None


class Postgres:
    """Runs in the `with` statement.

    Attributes:
        url: of its database.
    """

    def __init__(self) -> None:
        programs = find_postgres()
        assert programs is not None
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))  # not pytest's, which only root may enter
        self._user = "postgres" if os.getuid() == 0 else None  # it does not run as root
        if self._user is not None:
            shutil.chown(self._folder, self._user)
        self.url = f"postgresql://postgres@/postgres?host={self._folder}"

    def __enter__(self) -> Postgres:
        data = self._folder / "data"
        subprocess.run(
            [str(self._programs / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync"],
            check=True,
            capture_output=True,
            user=self._user,
            cwd=self._folder,
        )
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={self._folder}", "-c", "fsync=off"]
        self._process = subprocess.Popen(
            [self._programs / "postgres", "-D", data, *options],
            user=self._user,
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        ready = [str(self._programs / "pg_isready"), "-q", "-h", str(self._folder)]
        assert wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, 60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGQUIT)  # at once, without a checkpoint
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
