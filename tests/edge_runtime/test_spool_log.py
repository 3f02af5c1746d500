from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pytest

from edge_runtime import spool_file, spool_log
from edge_runtime.spool import Spool, SpoolLimits
from edge_runtime.spool_log import SpoolLog
from edge_runtime.spool_row import Message
from fissura.errors import SpoolError
from tests.mosquitto import wait_until
from tests.small_disk import small_disk


def _messages(count: int, size: int = 300) -> list[Message]:
    return [Message(str(uuid4()), "t", b"x" * size) for _ in range(count)]


def _log_pages(spool: Spool) -> float:
    return spool.path.with_name(f"{spool.path.name}-wal").stat().st_size / spool_log.PAGE_BYTES


def _shorter(monkeypatch: pytest.MonkeyPatch, pages: int) -> None:
    monkeypatch.setattr(spool_log, "LONG_PAGES", pages)
    for module in (spool_log, spool_file):
        monkeypatch.setattr(module, "TOO_LONG_PAGES", 4 * pages)


def _longest_log(spool: Spool, puts: int, count: int, size: int, *, online: bool) -> float:
    """Pages of the log while so many messages are put; lets the disk keep up, however slow it is."""
    longest = 0.0
    for _ in range(puts):
        spool.put(_messages(count, size))
        if online:
            spool.acknowledged([row.id for row in spool.advance(20)])
        longest = max(longest, _log_pages(spool))
        if spool._log._pages >= spool_log.LONG_PAGES:
            assert wait_until(lambda: spool._log._pages < spool_log.LONG_PAGES)
    return longest


@pytest.mark.parametrize("online", [True, False])
@pytest.mark.parametrize(("count", "size"), [(1, 10), (8, 1400), (2, 60_000)])
def test_the_log_stays_short_however_much_is_put(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, online: bool, count: int, size: int
) -> None:
    """Also with a full spool, where nobody takes anything out of it."""
    _shorter(monkeypatch, 200)
    spool = Spool(tmp_path / "s.sqlite", SpoolLimits(max_bytes=400_000))
    assert 80 < _longest_log(spool, 400, count, size, online=online) < 250
    spool.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.sqlite", "s.sqlite.lock"]


@pytest.mark.slow
def test_twenty_thousand_puts_leave_a_log_of_the_usual_size(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.sqlite", SpoolLimits(max_bytes=2_000_000))
    assert _longest_log(spool, 20_000, 8, 1400, online=False) < 1.2 * spool_log.LONG_PAGES
    spool.close()


def test_who_puts_never_folds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = threading.Event()
    monkeypatch.setattr(SpoolLog, "fold", lambda log: asked.set())
    spool = Spool(tmp_path / "s.sqlite")
    for _ in range(200):
        spool.put(_messages(8, 1400))
    assert _log_pages(spool) > 1500
    assert asked.wait(10)
    spool.close()


def test_deleting_large_messages_takes_hardly_a_page_of_the_log(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.sqlite")
    spool.put(_messages(8, 60_000))
    spool.close()
    spool = Spool(tmp_path / "s.sqlite")
    spool.delete([row.id for row in spool.take(9)])
    assert 0 < _log_pages(spool) < 2 * spool_log.TRANSACTION_PAGES
    spool.close()


def test_a_reader_that_does_not_let_go_is_said_and_the_log_is_cut_when_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _shorter(monkeypatch, 50)
    spool = Spool(tmp_path / "s.sqlite", SpoolLimits(max_bytes=100_000))
    spool.put(_messages(1))
    with closing(sqlite3.connect(spool.path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT COUNT(*) FROM outbox").fetchone()
        for _ in range(100):
            spool.put(_messages(4))
        assert _log_pages(spool) > 200  # all of it is kept
        assert wait_until(lambda: "another program reads the spool" in caplog.text)
    for _ in range(50):
        spool.put(_messages(4))
    assert wait_until(lambda: spool.put(_messages(4)) or _log_pages(spool) < 250)
    spool.close()


class FakeConnection:
    """Answers as SQLite does: busy, pages of the log, pages that are folded."""

    def __init__(self, fold: Callable[[], tuple[int, int, int]]) -> None:
        self._fold = fold

    def execute(self, query: str) -> FakeConnection:
        self._answer = self._fold()
        return self

    def fetchone(self) -> tuple[int, int, int]:
        return self._answer


def _log(fold: Callable[[], tuple[int, int, int]], lock: threading.Lock) -> SpoolLog:
    return SpoolLog(Path("s.sqlite-wal"), cast(Any, FakeConnection(fold)), lock)


@pytest.mark.parametrize(("added", "waits"), [(0, [False]), (1, [False, False, True]), (20, [False, True])])
def test_who_writes_waits_for_the_disk_only_where_it_does_not_keep_up(added: int, waits: list[bool]) -> None:
    """A log to which something is added while it is folded does not begin anew: it would grow for ever."""
    lock = threading.Lock()
    waited: list[bool] = []

    def fold() -> tuple[int, int, int]:
        waited.append(lock.locked())
        if added and not lock.locked():
            with lock:
                log.wrote(added * 20 * spool_log.PAGE_BYTES)
        return 0, 9, 9

    log = _log(fold, lock)
    log.fold()
    assert waited == waits
    assert not lock.locked()


def test_a_fold_that_fails_is_said_once_and_tried_again_after_as_much_more(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> tuple[int, int, int]:
        raise sqlite3.OperationalError("database or disk is full")

    log = _log(fail, threading.Lock())
    for _ in range(3):
        while not log.wrote(spool_log.PAGE_BYTES * 100):
            pass
        log.fold()
        assert not log.wrote(spool_log.PAGE_BYTES * 100)
    assert caplog.text.count("cannot be folded") == 1 and "disk is full" in caplog.text


def test_a_disk_that_is_full_while_the_log_is_folded_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _shorter(monkeypatch, 50)
    with small_disk(tmp_path / "disk", 2 << 20) as folder:
        spool = Spool(folder / "s.sqlite")
        stored: list[str] = []

        def put() -> None:
            messages = _messages(4)
            spool.put(messages)
            stored.extend(message.uuid for message in messages)

        put()
        filler = folder / "filler"
        with suppress(OSError):
            filler.write_bytes(bytes(1 << 20))
        with pytest.raises(SpoolError, match=r"full|I/O"):
            while True:
                put()
        assert wait_until(lambda: "cannot be folded" in caplog.text)
        filler.unlink()
        for _ in range(20):
            put()
        spool.close()
        spool = Spool(folder / "s.sqlite")
        assert [row.message.uuid for row in spool.take(10_000)] == stored
        spool.close()


BURST = """
import sys, pathlib, uuid
from edge_runtime import spool_log
from edge_runtime.spool import Spool
from edge_runtime.spool_row import Message

spool_log.LONG_PAGES = 20
spool = Spool(pathlib.Path(sys.argv[1]))
while True:
    messages = [Message(str(uuid.uuid4()), 't', b'x' * 3000) for _ in range(4)]
    spool.put(messages)
    print(*(message.uuid for message in messages), sep='\\n', flush=True)
"""


@pytest.mark.parametrize("lines", [40, 130, 500])
def test_killed_while_the_log_is_folded_all_the_time_every_reported_put_is_there(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "s.sqlite"
    burst = subprocess.Popen([sys.executable, "-c", BURST, str(path)], stdout=subprocess.PIPE, text=True)
    assert burst.stdout is not None
    reported = [burst.stdout.readline().strip() for _ in range(lines)]
    burst.kill()
    rest, _ = burst.communicate()
    reported += [line for line in rest.splitlines() if len(line) == 36]
    spool = Spool(path)
    assert {row.message.uuid for row in spool.take(1_000_000)} >= set(reported)
    assert not list(tmp_path.glob("*.damaged*"))
    spool.close()
