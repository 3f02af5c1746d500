from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from edge_runtime.mqtt import outgoing as outgoing_module
from edge_runtime.mqtt.events import Acknowledged
from edge_runtime.mqtt.outgoing import Outgoing
from edge_runtime.spool import Spool, SpoolLimits
from edge_runtime.spool_row import Message
from fissura.errors import SpoolError


def _message(size: int = 10) -> Message:
    return Message(str(uuid4()), "t", b"x" * size)


def test_suspects_that_the_spool_has_dropped_do_not_narrow_the_window_for_ever(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.sqlite", SpoolLimits(max_bytes=20_000))
    outgoing = Outgoing(spool)
    spool.put([_message() for _ in range(3)])
    outgoing.opened(None, None)
    for mid, row in enumerate(outgoing.ready()):
        outgoing.sent(mid, row)
    outgoing.lost()
    assert len(outgoing.ready()) == 1  # one by one, to find the culprit
    spool.put([_message(19_000)])  # the bound takes all three
    spool.put([_message(10) for _ in range(3)])
    assert spool.stats().dropped == {"detection_full": 3}
    assert len(outgoing.ready()) == 4
    spool.close()


def _send(outgoing: Outgoing, first_mid: int = 1) -> list[str]:
    """Send what is ready; gives its uuids."""
    rows = outgoing.ready()
    for mid, row in enumerate(rows, first_mid):
        outgoing.sent(mid, row)
    return [row.message.uuid for row in rows]


def test_a_row_that_breaks_the_connection_waits_while_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing_module, "OTHERS_FIRST_S", 0.2)
    monkeypatch.setattr(outgoing_module, "FIRST_WAIT_S", 0.2)
    spool = Spool(tmp_path / "s.sqlite", SpoolLimits(max_attempts=3))
    outgoing = Outgoing(spool)
    culprit, *others = messages = [_message() for _ in range(4)]
    spool.put(messages)
    outgoing.opened(None, None)
    assert len(_send(outgoing)) == 4
    outgoing.lost()
    outgoing.opened(None, None)
    assert _send(outgoing) == [culprit.uuid]  # alone, as all of them are suspects
    outgoing.lost()
    outgoing.opened(None, None)
    for other in others:
        assert _send(outgoing) == [other.uuid]
        outgoing.settle([Acknowledged(1, 0, "", 0)])
    assert _send(outgoing) == []
    for _ in range(2):
        due_s = outgoing.next_due_s()
        assert due_s is not None
        time.sleep(due_s + 0.01)
        while not (again := _send(outgoing)):  # what is to be deleted may have been due before it
            time.sleep(0.05)
        assert again == [culprit.uuid]
        outgoing.lost()
        outgoing.opened(None, None)
    outgoing.tidy()
    assert spool.empty() and spool.stats().dead_letters == 1
    spool.close()


@pytest.mark.parametrize("code", [0x90, 0x95, 0x99])
def test_a_refusal_that_will_not_change_is_not_asked_for_again_and_holds_nobody_up(tmp_path: Path, code: int) -> None:
    spool = Spool(tmp_path / "s.sqlite")
    outgoing = Outgoing(spool)
    spool.put([_message(), _message()])
    outgoing.opened(None, None)
    _send(outgoing)
    outgoing.settle([Acknowledged(1, code, "no", 0), Acknowledged(2, 0, "", 0)])
    spool.put([_message()])
    assert len(_send(outgoing)) == 1  # of the same topic
    assert spool.stats().dead_letters == 1
    spool.close()


def test_a_refused_row_comes_again_after_its_pause_also_where_memory_knows_of_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outgoing_module, "FIRST_WAIT_S", 0.01)
    spool = Spool(tmp_path / "s.sqlite")
    outgoing = Outgoing(spool)
    outgoing.opened(None, None)
    assert _send(outgoing) == []
    message = _message()
    spool.put([message])
    assert _send(outgoing) == [message.uuid]
    outgoing.settle([Acknowledged(1, 0x87, "not authorized", 0)])
    time.sleep(0.02)
    assert _send(outgoing) == [message.uuid]
    spool.close()


def test_what_cannot_be_deleted_on_a_full_disk_is_not_sent_again_and_deleted_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(tmp_path / "s.sqlite")
    outgoing = Outgoing(spool)
    with closing(sqlite3.connect(spool.path)) as database:
        full = "SELECT RAISE(ABORT, 'database or disk is full')"
        database.execute(f"CREATE TRIGGER full BEFORE DELETE ON outbox BEGIN {full}; END")
    spool.put([_message() for _ in range(3)])
    outgoing.opened(None, None)
    _send(outgoing)
    outgoing.settle([Acknowledged(mid, 0, "", 0) for mid in (1, 2, 3)])
    outgoing.tidy()
    assert "cannot be deleted for now" in caplog.text
    assert not spool.empty() and outgoing.acknowledged == 3
    assert _send(outgoing) == []
    with closing(sqlite3.connect(spool.path)) as database:
        database.execute("DROP TRIGGER full")
    outgoing.tidy()
    assert spool.empty()
    spool.close()


def test_every_delivery_is_told_with_its_time(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.sqlite")
    told: list[tuple[str, int]] = []
    outgoing = Outgoing(spool, told.extend)
    message = _message()
    spool.put([message, _message()])
    outgoing.opened(None, None)
    _send(outgoing)
    outgoing.settle([Acknowledged(1, 0, "", 42), Acknowledged(2, 0x97, "quota", 43)])
    assert told == [(message.uuid, 42)]
    spool.close()


def test_what_the_broker_has_is_known_also_where_a_refusal_cannot_be_noted(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "s.sqlite")
    with closing(sqlite3.connect(spool.path)) as database:
        full = "SELECT RAISE(ABORT, 'database or disk is full')"
        database.execute(f"CREATE TRIGGER full BEFORE UPDATE OF attempts ON outbox BEGIN {full}; END")
    outgoing = Outgoing(spool)
    messages = [_message(), _message()]
    spool.put(messages)
    outgoing.opened(None, None)
    _send(outgoing)
    with pytest.raises(SpoolError):
        outgoing.settle([Acknowledged(1, 0, "", 0), Acknowledged(2, 0x87, "not authorized", 0)])
    spool.rewind()
    assert [row.message.uuid for row in spool.advance(9)] == [messages[1].uuid]
    spool.close()
