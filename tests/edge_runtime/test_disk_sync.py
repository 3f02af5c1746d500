from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from edge_runtime.disk_sync import AWAKE, DiskSync
from tests.mosquitto import wait_until


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


def _nothing() -> None:
    pass


def _rests(sync: DiskSync) -> bool:
    """Whether the thread has seen that nothing is to be done, and sleeps until it is woken."""
    return sync._wakes_at_s == math.inf


def test_what_is_written_in_a_period_goes_to_the_disk_together(disk: Disk, file: Path) -> None:
    sync = DiskSync(file, 0.5, _nothing)
    began_s = time.monotonic()
    for number in range(50):
        sync.written([number])
    disk.wait_for(2)
    assert disk.visits == ["folder", "file"]
    assert disk.times_s[1] - began_s > 0.4
    sync.written([50])
    disk.wait_for(3)
    assert disk.times_s[2] - disk.times_s[1] > 0.4
    sync.close()


def test_what_is_spared_in_time_makes_no_visit_and_spares_nobody_else(disk: Disk, file: Path) -> None:
    sync = DiskSync(file, 0.5, _nothing)
    sync.written([1, 2])
    sync.spare([2, 1, 7])
    assert wait_until(lambda: _rests(sync))
    assert disk.visits == []
    sync.written([3, 4])
    sync.spare([3])
    disk.wait_for(2)
    sync.written([5])
    sync.spare([5])
    sync.close()
    assert disk.visits == ["folder", "file"]


def test_what_is_left_is_due_by_its_own_time_and_not_by_that_of_what_was_spared(disk: Disk, file: Path) -> None:
    sync = DiskSync(file, 1.0, _nothing)
    sync.written([1])
    time.sleep(0.3)  # apart, so that their times can be told apart
    sync.written([2])
    written_s = time.monotonic()
    sync.spare([1])
    disk.wait_for(2)
    assert disk.times_s[0] - written_s > 0.9
    sync.close()


def test_while_it_looks_by_itself_nobody_wakes_it(disk: Disk, file: Path) -> None:
    chores: list[int] = []
    sync = DiskSync(file, 60, lambda: chores.append(1))
    assert wait_until(lambda: _rests(sync))
    sync.written([1])
    assert wait_until(lambda: math.inf > sync._wakes_at_s > AWAKE)
    looks_at_s = sync._wakes_at_s
    sync.spare([1])
    for number in range(2, 100):
        sync.written([number])
        sync.spare([number])
    assert sync._wakes_at_s == looks_at_s
    sync.do_chore()
    # All is spared, but more may come as it has so far: it does not rest yet.
    assert wait_until(lambda: len(chores) == 1 and sync._wakes_at_s == sync._newest_due_s)
    sync.close()
    assert disk.visits == []


def test_where_somebody_watches_it_is_woken_when_told_and_by_nothing_else(disk: Disk, file: Path) -> None:
    sync = DiskSync(file, 0.01, _nothing)
    assert wait_until(lambda: _rests(sync))
    sync.watched(True)
    sync.written([1])
    assert _rests(sync)
    assert wait_until(lambda: (sync.due_in_s() or 0.0) < 0)
    assert _rests(sync) and disk.visits == []
    sync.look()
    disk.wait_for(2)  # the folder, the file
    assert wait_until(lambda: _rests(sync)) and sync.due_in_s() is None
    sync.written([2])
    sync.spare([2])
    assert sync.due_in_s() is None
    sync.written([3])
    sync.watched(False)  # and so it is its own affair again
    disk.wait_for(3)
    sync.close()
    assert len(disk.visits) == 3


class LateGate:
    """A gate that is opened when the time of whoever waits for it is just up, and the next time just before."""

    def __init__(self, gate: threading.Lock, call: Callable[[], None]) -> None:
        self._gate = gate
        self._call = call
        self.waits = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if blocking:
            self.waits += 1
            if self.waits <= 2:
                self._call()
            if self.waits == 1:
                return False
        return self._gate.acquire(blocking, timeout)

    def release(self) -> None:
        self._gate.release()


def test_a_call_that_comes_when_the_time_is_up_is_heard_and_so_is_the_next(disk: Disk, file: Path) -> None:
    chores: list[int] = []
    sync = DiskSync(file, 60, lambda: chores.append(1))
    assert wait_until(lambda: _rests(sync))
    gate = LateGate(sync._gate, sync.do_chore)
    sync._gate = gate  # type: ignore[assignment]
    sync.written([1])
    assert wait_until(lambda: len(chores) == 2)
    sync.close()
    assert disk.visits == ["folder", "file"]


def test_closing_waits_for_what_was_written_and_not_for_the_period(disk: Disk, file: Path) -> None:
    sync = DiskSync(file, 60, _nothing)
    sync.written([1])
    began = time.monotonic()
    sync.close()
    assert time.monotonic() - began < 10
    assert disk.visits == ["folder", "file"]
    assert "disk-sync" not in [thread.name for thread in threading.enumerate()]


def test_the_chore_is_done_in_its_thread_whatever_it_waits_for(disk: Disk, file: Path) -> None:
    done: list[str] = []
    sync = DiskSync(file, 60, lambda: done.append(threading.current_thread().name))
    assert wait_until(lambda: _rests(sync))
    sync.do_chore()
    assert wait_until(lambda: len(done) == 1)
    sync.written([1])
    assert wait_until(lambda: math.inf > sync._wakes_at_s > AWAKE)
    sync.do_chore()
    assert wait_until(lambda: len(done) == 2)
    assert set(done) == {"disk-sync"} and disk.visits == []
    sync.close()


def test_a_disk_that_fails_is_said_and_asked_again_without_another_write(
    disk: Disk, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk.error = OSError(5, "Input/output error")
    sync = DiskSync(file, 0.01, _nothing)
    sync.written([1])
    assert wait_until(lambda: len(disk.visits) >= 3)
    disk.error = None
    assert wait_until(lambda: "file" in disk.visits)
    assert wait_until(lambda: _rests(sync))
    sync.close()
    assert set(disk.visits[:3]) == {"folder"} and disk.visits.count("file") == 1
    assert caplog.text.count("Input/output error") == 1


def test_a_disk_that_fails_to_the_end_does_not_keep_it_from_closing(disk: Disk, file: Path) -> None:
    disk.error = OSError(5, "Input/output error")
    sync = DiskSync(file, 60, _nothing)
    sync.written([1])
    sync.close()
    assert disk.visits == ["folder"]


def test_it_has_the_file_open_from_the_start_and_lets_go_of_it_in_the_end(disk: Disk, file: Path) -> None:
    before = _open_files()
    sync = DiskSync(file, 0.01, _nothing)
    assert _open_files() - before == {str(file)}
    sync.written([1])
    disk.wait_for(2)
    assert wait_until(lambda: _rests(sync))
    assert _open_files() - before == {str(file)}  # a visit keeps nothing more
    sync.close()
    assert str(file) not in _open_files()
    with file.open("rb"):  # which may have the number that it had
        sync.close()
        assert str(file) in _open_files()


def test_a_file_that_is_not_there_is_said_at_once(file: Path) -> None:
    with pytest.raises(FileNotFoundError):
        DiskSync(file.with_name("other"), 60, _nothing)
    assert "disk-sync" not in [thread.name for thread in threading.enumerate()]


def test_closing_ends_it_whatever_else_is_said_at_that_moment(disk: Disk, file: Path) -> None:
    """Wake-ups that cancel each other once kept it for ever."""
    for turn in range(60):
        sync = DiskSync(file, 0.0002, _nothing)
        over = threading.Event()

        def talk(sync: DiskSync = sync, over: threading.Event = over) -> None:
            number = 0
            while not over.is_set():
                number += 1
                sync.written([number])
                sync.spare([number] if number % 3 else [])
                if number % 5 == 0:
                    sync.do_chore()

        talkers = [threading.Thread(target=talk, daemon=True) for _ in range(2)]
        for talker in talkers:
            talker.start()
        time.sleep(turn % 10 * 1e-4)  # at a different moment each time
        closing = threading.Thread(target=sync.close, daemon=True)
        closing.start()
        closing.join(10)
        over.set()
        assert not closing.is_alive()
        for talker in talkers:
            talker.join()


def _open_files() -> set[str]:
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.add(str(entry.readlink()))
    return found
