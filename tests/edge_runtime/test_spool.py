from __future__ import annotations

import errno
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge_runtime import spool as spool_module
from edge_runtime.spool import Spool, SpoolLimits
from edge_runtime.spool_row import Message, Priority
from fissura.errors import SpoolError


def _message(size: int = 10, *, telemetry: bool = False, topic: str = "t") -> Message:
    priority = Priority.TELEMETRY if telemetry else Priority.DETECTION
    return Message(str(uuid4()), topic, b"x" * size, priority=priority)


def test_rows_come_back_as_they_were_put_also_after_a_restart(tmp_path: Path) -> None:
    messages = [
        Message(str(uuid4()), "a/b", bytes(range(256)), qos=1, retain=True),
        Message(str(uuid4()), "a/c", b"", qos=0, retain=False, priority=Priority.TELEMETRY),
    ]
    spool = Spool(tmp_path / "deep" / "s.sqlite")
    spool.put(messages)
    assert [row.message for row in spool.take(9)] == messages[::-1]  # telemetry first
    spool.close()
    spool = Spool(tmp_path / "deep" / "s.sqlite")
    assert [row.message for row in spool.take(9)] == messages[::-1]
    assert [row.message for row in spool.take(9, skip_topics=["a/c"])] == messages[:1]
    spool.close()


def test_put_is_all_or_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.sqlite")
    broken = Message(str(uuid4()), "t", None)  # type: ignore[arg-type]
    with pytest.raises((SpoolError, TypeError)):
        spool.put([_message(), broken])
    assert spool.empty()
    spool.put([_message()])
    assert spool.stats().rows == 1
    spool.close()


def test_telemetry_goes_overboard_before_detections_and_the_oldest_first(tmp_path: Path) -> None:
    size = _message(100).size_bytes
    spool = Spool(tmp_path / "s.sqlite", SpoolLimits(max_bytes=4 * size))
    old, telemetry, young = _message(100), _message(100, telemetry=True), _message(100)
    spool.put([old])
    spool.put([telemetry, young])
    spool.put([_message(100), _message(100)])
    assert telemetry.uuid not in [row.message.uuid for row in spool.take(9)]
    assert spool.stats().dropped == {"telemetry_full": 1}
    spool.put([_message(100)])
    assert spool.take(1)[0].message == young
    assert spool.stats().dropped == {"telemetry_full": 1, "detection_full": 1}
    spool.put([_message(100, telemetry=True)])  # no room for telemetry among detections
    assert all(row.message.priority is Priority.DETECTION for row in spool.take(9))
    spool.close()


def test_dead_letters_wait_for_the_next_start_and_then_get_one_more_attempt(tmp_path: Path) -> None:
    limits = SpoolLimits(max_attempts=3)
    spool = Spool(tmp_path / "s.sqlite", limits)
    spool.put([_message()])
    row = spool.take(1)[0]
    assert [spool.refuse(row) for _ in range(3)] == [False, False, True]
    assert spool.take(1) == [] and spool.empty()
    assert (spool.stats().rows, spool.stats().dead_letters) == (0, 1)
    spool.close()
    spool = Spool(tmp_path / "s.sqlite", limits)
    assert spool.take(1)[0].message == row.message
    assert spool.refuse(row)
    spool.put([_message()])
    assert spool.refuse(spool.take(1)[0], for_good=True)
    assert spool.stats().dead_letters == 2
    spool.close()


def test_age_is_measured_so_that_a_leap_of_the_clock_kills_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A vehicle without a battery-backed clock starts in 1970 and leaps to today when it hears a time server."""
    clock = {"wall": 1000.0, "boot": 50.0, "id": "first"}
    monkeypatch.setattr(time, "time", lambda: clock["wall"])
    monkeypatch.setattr(spool_module, "_since_boot_s", lambda: clock["boot"])
    monkeypatch.setattr(spool_module, "boot_id", lambda: clock["id"])
    limits = SpoolLimits(max_age_s=3600)
    spool = Spool(tmp_path / "s.sqlite", limits)
    spool.put([_message()])
    clock.update(wall=1.8e9, boot=200.0)  # the leap
    spool.put([_message()])
    assert spool.stats().rows == 2
    clock.update(boot=3660.0)  # more than an hour after the first, less after the second
    spool.put([_message()])
    assert spool.stats().rows == 2 and spool.stats().dropped == {"detection_old": 1}
    spool.close()
    clock.update(wall=1.8e9 + 3000, boot=1.0, id="second")  # a reboot: only the wall clock spans it
    spool = Spool(tmp_path / "s.sqlite", limits)
    spool.put([_message()])
    assert spool.stats().rows == 3
    clock.update(wall=1.8e9 + 3700, boot=701.0)
    spool.put([_message()])
    assert spool.stats().dropped == {"detection_old": 2}  # both of the first boot
    spool.close()


@pytest.mark.parametrize("damage", ["garbage", "header", "page"])
def test_a_damaged_file_is_moved_aside_and_said(tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "s.sqlite"
    spool = Spool(path)
    spool.put([_message(2000) for _ in range(50)])
    spool.close()
    if damage != "page":
        path.with_name("s.sqlite-wal").write_bytes(b"")  # a crash leaves it; the header then need not be whole
    content = bytearray(path.read_bytes())
    if damage == "garbage":
        content = bytearray(b"not a database at all " * 500)
    elif damage == "header":
        content[:16] = b"\0" * 16
    else:
        content[4096:12288] = os.urandom(8192)
    path.write_bytes(content)
    with caplog.at_level(logging.ERROR):
        spool = Spool(path)
    assert spool.stats().rows == 0
    spool.put([_message()])
    assert spool.stats().rows == 1
    spool.close()
    (aside,) = (path for path in tmp_path.glob("s.sqlite.damaged-*") if not path.name.endswith("-wal"))
    assert aside.read_bytes() == bytes(content)
    assert str(aside) in caplog.text


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE precious (a)")
    before = path.read_bytes()
    with pytest.raises(SpoolError, match="another program"):
        Spool(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"notes\n", b"\xff\xd8\xff\xe0 a picture" * 1000, b"SQLite format 3\0" + b"?" * 5000]
)
def test_a_file_that_never_was_a_spool_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "precious"
    path.write_bytes(content)
    with pytest.raises(SpoolError, match="is no spool") as caught:
        Spool(path)
    assert "--spool" in caught.value.fix
    assert path.read_bytes() == content
    assert not list(tmp_path.glob("*damaged*"))


def test_a_spool_of_an_earlier_version_gets_the_index(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    Spool(path).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("DROP INDEX outbox_topic")
    spool = Spool(path)
    assert spool._reading.execute("SELECT 1 FROM sqlite_master WHERE name = 'outbox_topic'").fetchone()
    spool.close()


def test_passing_over_a_topic_does_not_read_the_whole_spool(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.sqlite")
    spool.put([_message(topic="refused") for _ in range(5000)])
    spool.put([_message(topic="other"), _message(topic="zebra", telemetry=True)])
    ticks = 0

    def tick() -> int:
        nonlocal ticks
        ticks += 1
        return 0

    spool._reading.set_progress_handler(tick, 100)  # steps of SQLite's machine
    for skip, left in ((["refused"], ["zebra", "other"]), (["refused", "other", "zebra"], [])):
        assert [row.message.topic for row in spool.take(20, skip_topics=skip)] == left
    assert len(rows := spool.take(20)) == 20
    assert len(spool.waiting([row.id for row in rows])) == 20
    assert ticks < 50  # one scan of the rows is more than ten times as much
    spool.close()


TOPICS = st.sampled_from(["a", "b", "c", "d"])


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.tuples(TOPICS, st.booleans()), max_size=30),
    skip_topics=st.sets(TOPICS),
    skip_rows=st.sets(st.integers(0, 29)),
    limit=st.integers(1, 30),
)
def test_what_is_taken_is_the_first_of_what_is_not_skipped(
    rows: list[tuple[str, bool]], skip_topics: set[str], skip_rows: set[int], limit: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder) / "s.sqlite")
        spool.put([_message(topic=topic, telemetry=telemetry) for topic, telemetry in rows])
        everything = spool.take(100)
        skip_ids = [row.id for n, row in enumerate(everything) if n in skip_rows]
        left = [row for row in everything if row.id not in skip_ids and row.message.topic not in skip_topics]
        assert spool.take(limit, skip_ids=skip_ids, skip_topics=skip_topics) == left[:limit]
        spool.close()


def test_which_rows_still_wait(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.sqlite")
    spool.put([_message() for _ in range(4)])
    rows = spool.take(9)
    spool.delete([rows[0].id])
    spool.refuse(rows[1], for_good=True)
    assert spool.waiting([row.id for row in rows[:3]]) == {rows[2].id}
    spool.close()


def test_two_processes_cannot_share_a_spool(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    code = "import sys, time, pathlib; from edge_runtime.spool import Spool; s = Spool(pathlib.Path(sys.argv[1]));"
    holder = subprocess.Popen(
        [sys.executable, "-c", code + "print('held', flush=True); time.sleep(60)", str(path)], stdout=subprocess.PIPE
    )
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    with pytest.raises(SpoolError, match=f"in use by process {holder.pid}"):
        Spool(path)
    holder.kill()
    holder.communicate()
    Spool(path).close()  # the kernel has freed the lock


def test_a_spool_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    Spool(path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(SpoolError, match="newer fissura"):
        Spool(path)


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="cannot be made"):
        Spool(tmp_path / "file" / "s.sqlite")


def test_a_process_without_a_descriptor_left_is_told_so_and_may_try_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(spool_module, "DiskSync", full)
        with pytest.raises(SpoolError, match="-wal cannot be opened: Too many open files"):
            Spool(tmp_path / "spool.sqlite")
    Spool(tmp_path / "spool.sqlite").close()


def test_a_full_disk_raises_and_leaves_the_spool_usable(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.sqlite")
    spool.put([_message()])
    (pages,) = spool._writing.execute("PRAGMA page_count").fetchone()
    spool._writing.execute(f"PRAGMA max_page_count = {pages}")  # SQLite reports it as a full disk
    with pytest.raises(SpoolError, match="full") as caught:
        spool.put([_message(100_000)])
    assert "free some space" in caught.value.fix
    spool._writing.execute("PRAGMA max_page_count = 1000000")
    spool.put([_message(100_000)])
    assert spool.stats().rows == 2
    spool.close()


def test_killed_in_mid_burst_every_reported_put_is_there(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    code = (
        "import sys, pathlib, uuid; from edge_runtime.spool import Spool; from edge_runtime.spool_row import Message\n"
        "s = Spool(pathlib.Path(sys.argv[1]))\n"
        "while True:\n"
        "    m = Message(str(uuid.uuid4()), 't', b'x' * 500); s.put([m]); print(m.uuid, flush=True)\n"
    )
    burst = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert burst.stdout is not None
    reported = [burst.stdout.readline().strip() for _ in range(20)]
    burst.kill()
    rest, _ = burst.communicate()
    reported += [line for line in rest.splitlines() if len(line) == 36]
    spool = Spool(path)
    assert {row.message.uuid for row in spool.take(100_000)} >= set(reported)
    spool.close()


class SpoolMachine(RuleBasedStateMachine):
    """Against a model: every message is waiting, acknowledged, a dead letter or counted as dropped."""

    LIMITS = SpoolLimits(max_bytes=4000, max_attempts=2)

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="spool-"))
        self.spool = Spool(self.folder / "s.sqlite", self.LIMITS)
        self.waiting: dict[str, Message] = {}
        self.attempts: Counter[str] = Counter()
        self.dead: dict[str, Message] = {}
        self.dropped: Counter[str] = Counter()
        self.order: list[str] = []

    @rule(batch=st.lists(st.tuples(st.integers(0, 1500), st.booleans()), max_size=4))
    def put(self, batch: list[tuple[int, bool]]) -> None:
        messages = [_message(size, telemetry=telemetry) for size, telemetry in batch]
        self.spool.put(messages)
        self.waiting.update({message.uuid: message for message in messages})
        self.order += [message.uuid for message in messages]
        for kind, rows in (
            ("dead_letter", self.dead),
            ("telemetry", {u: m for u, m in self.waiting.items() if m.priority is Priority.TELEMETRY}),
            ("detection", {u: m for u, m in self.waiting.items() if m.priority is Priority.DETECTION}),
        ):
            # Among dead letters the priority comes first as well.
            for uuid in sorted(rows, key=lambda u: (rows[u].priority, self.order.index(u))):
                if self._bytes() <= self.LIMITS.max_bytes:
                    return
                (self.dead if kind == "dead_letter" else self.waiting).pop(uuid)
                self.dropped[f"{kind}_full"] += 1

    @precondition(lambda self: self.waiting)
    @rule(count=st.integers(1, 5))
    def acknowledge(self, count: int) -> None:
        rows = self.spool.take(count)
        assert [row.message.uuid for row in rows] == self._expected_order()[:count]
        self.spool.delete([row.id for row in rows])
        for row in rows:
            self.waiting.pop(row.message.uuid)

    @precondition(lambda self: self.waiting)
    @rule()
    def refuse(self) -> None:
        row = self.spool.take(1)[0]
        uuid = row.message.uuid
        assert row.attempts == self.attempts[uuid]
        self.attempts[uuid] += 1
        is_dead = self.attempts[uuid] >= self.LIMITS.max_attempts
        assert self.spool.refuse(row) == is_dead
        if is_dead:
            self.dead[uuid] = self.waiting.pop(uuid)

    @rule(kill=st.booleans())
    def restart(self, kill: bool) -> None:
        if kill:  # what a killed process leaves: the files as they are, the log not yet folded in
            target = Path(tempfile.mkdtemp(prefix="spool-"))
            for path in self.folder.glob("s.sqlite*"):
                shutil.copy(path, target)
            self.spool.close()
            shutil.rmtree(self.folder)
            self.folder = target
        else:
            self.spool.close()
        self.spool = Spool(self.folder / "s.sqlite", self.LIMITS)
        for uuid in self.dead:
            self.attempts[uuid] = self.LIMITS.max_attempts - 1
        self.waiting.update(self.dead)
        self.dead.clear()
        self.dropped.clear()  # counted since it was opened

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "spool"):
            return
        stats = self.spool.stats()
        assert [row.message.uuid for row in self.spool.take(1000)] == self._expected_order()
        assert (stats.rows, stats.dead_letters, stats.bytes) == (len(self.waiting), len(self.dead), self._bytes())
        assert stats.dropped == dict(self.dropped)
        assert self.spool.empty() == (not self.waiting)

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            self.spool.close()
            shutil.rmtree(self.folder)

    def _bytes(self) -> int:
        return sum(message.size_bytes for message in (*self.waiting.values(), *self.dead.values()))

    def _expected_order(self) -> list[str]:
        return sorted(self.waiting, key=lambda uuid: (self.waiting[uuid].priority, self.order.index(uuid)))


TestSpoolMachine = SpoolMachine.TestCase
TestSpoolMachine.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)


@pytest.mark.parametrize("gone", [[1, 2], [2, 1], [1, 3], [1, 1, 3], [2, 2], []])
def test_deleting_takes_the_rows_that_are_named_and_no_others(tmp_path: Path, gone: list[int]) -> None:
    spool = Spool(tmp_path / "s.sqlite")
    spool.put([_message() for _ in range(4)])
    ids = [row.id for row in spool.take(9)]
    spool.delete([ids[n] for n in gone])
    assert [row.id for row in spool.take(9)] == [id for n, id in enumerate(ids) if n not in gone]
    spool.close()


def test_putting_is_not_held_up_by_sending(tmp_path: Path) -> None:
    """Two threads at once: nothing is lost, doubled or left over."""
    spool = Spool(tmp_path / "s.sqlite")
    total, received = 150, list[str]()

    def send() -> None:
        deadline = time.monotonic() + 30
        while len(received) < total and time.monotonic() < deadline:
            rows = spool.take(20)
            received.extend(row.message.uuid for row in rows)
            spool.delete([row.id for row in rows])

    sender = threading.Thread(target=send)
    sender.start()
    messages = [_message() for _ in range(total)]
    for message in messages:
        spool.put([message])
    sender.join()
    assert sorted(received) == sorted(message.uuid for message in messages)
    assert spool.empty() and spool.stats().bytes == 0
    spool.close()
