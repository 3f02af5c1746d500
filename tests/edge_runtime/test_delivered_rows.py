from __future__ import annotations

import math
import os
from pathlib import Path
from uuid import uuid4

import pytest

from edge_runtime.delivered_rows import DeliveredRows
from edge_runtime.spool import Spool, SpoolLimits
from edge_runtime.spool_row import Message
from fissura.errors import SpoolError
from tests.mosquitto import wait_until


def _messages(count: int) -> list[Message]:
    return [Message(str(uuid4()), "t", b"x" * 100) for _ in range(count)]


def test_delivered_rows_are_not_given_out_again_and_leave_with_the_next_put(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.sqlite")
    messages = _messages(3)
    spool.put(messages)
    for row in spool.advance(2):
        spool.acknowledged([row.id])
    spool.rewind()
    assert [row.message for row in spool.advance(9)] == messages[2:]
    waiting = spool.stats()  # the others are in the file, but wait for nothing
    assert (waiting.rows, waiting.bytes) == (1, messages[2].size_bytes)
    new = _messages(1)
    spool.put(new)
    assert len(spool.delivered) == 0
    assert [row.message for row in spool.take(9)] == [messages[2], *new]
    spool.close()


def test_without_a_put_they_are_deleted_by_tidy(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.sqlite")
    spool.put(_messages(2))
    for row in spool.advance(2):
        spool.acknowledged([row.id])
    spool.tidy()
    assert spool.empty()
    assert len(spool.delivered) == 0
    spool.close()


def test_a_put_that_fails_deletes_nothing_and_remembers(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.sqlite")
    spool.put(_messages(1))
    (row,) = spool.advance(1)
    spool.acknowledged([row.id])
    with pytest.raises(SpoolError):
        spool.put([Message(None, "t", b"")])  # type: ignore[arg-type]
    assert [left.id for left in spool.take(9)] == [row.id]
    assert spool.delivered.ids() == (row.id,)
    spool.close()


def test_what_is_delivered_makes_room_before_anything_is_dropped(tmp_path: Path) -> None:
    messages = _messages(4)
    spool = Spool(tmp_path / "s.sqlite", SpoolLimits(max_bytes=4 * messages[0].size_bytes))
    spool.put(messages)
    for row in spool.advance(2):
        spool.acknowledged([row.id])
    new = _messages(2)
    spool.put(new)
    assert spool.stats().dropped == {}
    assert [row.message for row in spool.take(9)] == messages[2:] + new
    spool.close()


def test_the_wait_begins_with_the_first_row_and_again_when_some_are_gone() -> None:
    delivered = DeliveredRows()
    delivered.add([1])
    waited_s = delivered.waiting_s()
    delivered.add([2])
    assert delivered.waiting_s() >= waited_s
    delivered.gone([1, 7])
    assert delivered.ids() == (2,)


def test_a_delivered_row_that_was_dropped_meanwhile_is_not_taken_from_those_that_wait(tmp_path: Path) -> None:
    messages = _messages(4)
    spool = Spool(tmp_path / "s.sqlite", SpoolLimits(max_bytes=2 * messages[0].size_bytes))
    spool.put(messages[:2])
    (oldest,) = spool.advance(1)
    spool.put(messages[2:])  # no room: the older ones are dropped
    spool.acknowledged([oldest.id])
    assert (spool.stats().rows, spool.stats().bytes) == (2, 2 * messages[0].size_bytes)
    spool.close()


def test_what_the_broker_has_at_once_is_spared_the_disk_and_what_it_has_not_reaches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visits: list[int] = []
    monkeypatch.setattr(os, "fdatasync", visits.append)
    monkeypatch.setattr("edge_runtime.spool.SYNC_PERIOD_S", 1.0)
    spool = Spool(tmp_path / "s.sqlite")
    for _ in range(30):
        spool.put(_messages(8))
        spool.acknowledged([row.id for row in spool.advance(20)])
    assert wait_until(lambda: spool._sync._wakes_at_s == math.inf)  # it has looked, and rests
    assert visits == []
    spool.put(_messages(8))
    spool.acknowledged([row.id for row in spool.advance(7)])
    assert wait_until(lambda: len(visits) == 2)  # the folder and the log
    spool.close()
