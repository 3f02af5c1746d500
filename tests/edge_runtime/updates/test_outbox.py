from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.updates import outbox as outbox_module
from edge_runtime.updates.outbox import Outbox, event_uuid
from fissura.errors import SpoolError
from fissura.update_messages import TERMINAL, Phase

NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=timezone.utc)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    box = Outbox(tmp_path / "outbox.sqlite", most=5)
    yield box
    box.close()


def put(outbox: Outbox, phase: Phase = "download", uuid: UUID | None = None) -> UUID:
    uuid = uuid or uuid4()
    outbox.put_event(uuid, phase, lambda number: f"{phase} {number}".encode())
    return uuid


def test_an_event_waits_until_it_is_acknowledged(outbox: Outbox) -> None:
    first, second = put(outbox), put(outbox, "committed")
    outbox.acknowledged([first, uuid4()])
    assert [waiting.uuid for waiting in outbox.events()] == [second]


def test_events_and_numbers_outlive_the_process(outbox: Outbox, tmp_path: Path) -> None:
    uuid = put(outbox, "rejected")
    before = outbox.put_state(lambda number: str(number).encode())
    outbox.close()
    again = Outbox(tmp_path / "outbox.sqlite")
    assert [waiting.uuid for waiting in again.events()] == [uuid]
    assert again.state() == before
    assert int(again.put_state(lambda number: str(number).encode())) > int(before)
    again.close()


def test_numbers_grow_although_the_disk_was_wiped(tmp_path: Path) -> None:
    numbers: list[int] = []
    for name in ("a", "b"):
        box = Outbox(tmp_path / name)
        numbers += [int(box.put_state(lambda number: str(number).encode())) for _ in range(3)]
        box.close()
        time.sleep(0.01)  # a wiped device comes back later than in the same millisecond
    assert numbers == sorted(set(numbers))


def test_numbers_grow_although_the_clock_goes_back(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    before = int(outbox.put_state(lambda number: str(number).encode()))
    monkeypatch.setattr(outbox_module.time, "time", lambda: 0.0)
    assert int(outbox.put_state(lambda number: str(number).encode())) == before + 1


def test_the_same_step_told_twice_is_one_event(outbox: Outbox) -> None:
    uuid = event_uuid("truck-07", 4, NOW)
    assert uuid == event_uuid("truck-07", 4, NOW)
    assert uuid != event_uuid("truck-07", 5, NOW)
    put(outbox, "committed", uuid)
    payload = outbox.events()[0].payload
    put(outbox, "committed", uuid)
    assert [waiting.payload for waiting in outbox.events()] == [payload]


@settings(max_examples=30, deadline=None)
@given(phases=st.lists(st.sampled_from(["download", "verify", "shadow", "committed", "rolled_back"]), max_size=20))
def test_the_newest_ends_are_never_dropped(tmp_path_factory: pytest.TempPathFactory, phases: list[Phase]) -> None:
    box = Outbox(tmp_path_factory.mktemp("outbox") / "outbox.sqlite", most=5)
    put_in = [(put(box, phase), phase) for phase in phases]
    kept = {waiting.uuid for waiting in box.events()}
    box.close()
    ends = [uuid for uuid, phase in put_in if phase in TERMINAL]
    assert len(kept) == min(5, len(phases))
    assert set(ends[-5:]) <= kept


def test_a_killed_process_loses_nothing_that_it_was_told_is_kept(tmp_path: Path) -> None:
    program = f"""
        import os, sys
        from pathlib import Path
        from uuid import uuid4
        from edge_runtime.updates.outbox import Outbox
        box = Outbox(Path({str(tmp_path / "outbox.sqlite")!r}))
        while True:
            uuid = uuid4()
            box.put_event(uuid, "committed", lambda number: b"x")
            print(uuid, flush=True)
    """
    process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    told = [process.stdout.readline().strip() for _ in range(20)]
    process.kill()
    told += [line.strip() for line in process.stdout.read().splitlines()]
    process.wait()
    box = Outbox(tmp_path / "outbox.sqlite")
    kept = {str(waiting.uuid) for waiting in box.events()}
    box.close()
    assert {uuid for uuid in told if len(uuid) == 36} <= kept


def test_a_damaged_file_is_moved_aside(tmp_path: Path) -> None:
    path = tmp_path / "outbox.sqlite"
    path.write_bytes(b"no database" * 100)
    box = Outbox(path)
    put(box)
    assert len(box.events()) == 1
    box.close()
    assert (tmp_path / "outbox.sqlite.damaged").read_bytes().startswith(b"no database")


def test_a_disk_that_takes_nothing_is_an_error_of_ours(outbox: Outbox) -> None:
    outbox._connection.execute("PRAGMA max_page_count = 1")
    with pytest.raises(SpoolError, match="full"):
        for _ in range(200):
            outbox.put_event(uuid4(), "committed", lambda number: b"x" * 4000)
    outbox._connection.execute("PRAGMA max_page_count = 100000")
    put(outbox)


def test_what_an_error_undid_is_not_there(outbox: Outbox) -> None:
    def fail(number: int) -> bytes:
        raise sqlite3.OperationalError("disk I/O error")

    with pytest.raises(SpoolError):
        outbox.put_event(uuid4(), "committed", fail)
    assert outbox.events() == []
