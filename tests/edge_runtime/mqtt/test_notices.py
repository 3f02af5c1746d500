from __future__ import annotations

import time

import pytest

from edge_runtime.mqtt.events import Acknowledged
from edge_runtime.mqtt.notices import LASTS_S, MOST_WAITING, Notice, Notices


def _notice(name: str = "n", **more: float) -> Notice:
    return Notice("t", name.encode(), name, **more)  # type: ignore[arg-type]


def test_they_come_in_order_and_too_many_are_dropped_and_counted() -> None:
    notices = Notices()
    for n in range(MOST_WAITING):
        assert notices.put(_notice(str(n)))
    assert not notices.put(_notice(), _notice())  # both or none
    assert notices.dropped == 2
    taken = [notices.next() for _ in range(MOST_WAITING + 1)]
    assert [notice and notice.uuid for notice in taken] == [*map(str, range(MOST_WAITING)), None]


def test_what_was_on_its_way_goes_first_on_the_next_connection() -> None:
    notices = Notices()
    notices.put(*map(_notice, "abcd"))
    for mid in (1, 2, 3):
        notice = notices.next()
        assert notice is not None
        notices.sent(mid, notice)
    notices.settle([Acknowledged(2, 0, "", 0), Acknowledged(99, 0, "", 0)])
    assert notices.in_flight == 2
    notices.lost()
    assert notices.in_flight == 0
    assert [notice.uuid for notice in iter(notices.next, None)] == ["a", "c", "d"]


def test_old_ones_are_worth_nothing() -> None:
    notices = Notices()
    notices.put(_notice("old", made_s=time.monotonic() - LASTS_S - 1), _notice("new"))
    notice = notices.next()
    assert notice is not None and notice.uuid == "new"
    assert notices.dropped == 1


def test_a_refusal_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    notices = Notices()
    for mid in (1, 2):
        notices.sent(mid, _notice())
    notices.settle([Acknowledged(mid, 0x87, "Not authorized", 0) for mid in (1, 2)])
    assert caplog.text.count("Not authorized") == 1
