from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from edge_runtime.disk_sync import DiskSync


class Disk:
    """Counts how often each path is brought to it, and notes when."""

    def __init__(self) -> None:
        self.visits: list[str] = []
        self.times_s: list[float] = []
        self.error: OSError | None = None

    def fdatasync(self, descriptor: int) -> None:
        error = self.error  # as it is now: whoever waits for this visit may change it right after
        self.times_s.append(time.monotonic())
        self.visits.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        if error is not None:
            raise error

    def wait_for(self, visits: int) -> None:
        deadline = time.monotonic() + 10
        while len(self.visits) < visits and time.monotonic() < deadline:
            time.sleep(0.002)
        assert len(self.visits) == visits


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    disk = Disk()
    monkeypatch.setattr(os, "fdatasync", disk.fdatasync)
    yield disk


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "folder" / "file"
    path.parent.mkdir()
    path.write_bytes(b"")
    return path


def test_the_first_write_goes_to_the_disk_at_once_and_those_after_it_together(disk: Disk, file: Path) -> None:
    sync = DiskSync(file, 0.5)
    began_s = time.monotonic()  # the period begins later, with the first visit
    sync.written()
    disk.wait_for(2)
    assert disk.visits == ["folder", "file"]
    for _ in range(50):
        sync.written()
    disk.wait_for(3)
    assert disk.times_s[2] - began_s > 0.4
    sync.close()


def test_closing_waits_for_what_was_written_and_not_for_the_period(disk: Disk, file: Path) -> None:
    sync = DiskSync(file, 60)
    sync.written()
    disk.wait_for(2)
    sync.written()
    began = time.monotonic()
    sync.close()
    assert time.monotonic() - began < 10
    assert disk.visits[2:] == ["file"]
    assert "disk-sync" not in [thread.name for thread in threading.enumerate()]


def test_a_disk_that_fails_is_said_and_asked_again(disk: Disk, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    disk.error = OSError(5, "Input/output error")
    sync = DiskSync(file, 0.01)
    sync.written()
    disk.wait_for(1)
    disk.error = None
    sync.written()
    disk.wait_for(3)
    sync.close()
    assert "Input/output error" in caplog.text
    assert disk.visits[:3] == ["folder", "folder", "file"]


def test_it_keeps_the_file_open_and_lets_go_of_it_in_the_end(file: Path) -> None:
    sync = DiskSync(file, 0.01)
    sync.written()
    deadline = time.monotonic() + 10
    while str(file) not in _open_files() and time.monotonic() < deadline:
        time.sleep(0.002)
    assert str(file) in _open_files()
    sync.close()
    assert str(file) not in _open_files()


def _open_files() -> set[str]:
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.add(str(entry.readlink()))
    return found


def test_closing_ends_it_even_where_its_word_is_cleared_with_that_of_a_write(disk: Disk, file: Path) -> None:
    sync = DiskSync(file, 0.01)
    clear = sync._written.clear

    def close_at_the_worst_moment() -> None:
        sync._closing.set()
        sync._written.set()
        clear()

    sync._written.clear = close_at_the_worst_moment  # type: ignore[method-assign]
    sync.written()
    closing = threading.Thread(target=sync.close, daemon=True)
    sync._thread.join(10)
    assert not sync._thread.is_alive()
    closing.start()
    closing.join(10)
    assert not closing.is_alive()
