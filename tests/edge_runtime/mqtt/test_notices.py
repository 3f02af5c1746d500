from __future__ import annotations

import time

import pytest

from edge_runtime.mqtt.events import Acknowledged
from edge_runtime.mqtt.notices import LASTS_S, MOST_WAITING, Notice, Notices


def _notice(name: str = "n", **more: object) -> Notice:
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
        notices.sent(mid, Notice(f"fissura/v1/desk/{mid}", b"", "n"))  # an operator may ask for answers on any topic
    notices.settle([Acknowledged(mid, 0x87, "Not authorized", 0) for mid in (1, 2)])
    assert caplog.text.count("Not authorized") == 1


def _send_all(notices: Notices) -> list[str]:
    """Hand out what may go now; the packet identifiers are 0, 1, 2..."""
    sent: list[str] = []
    while (notice := notices.next()) is not None:
        notices.sent(len(sent), notice)
        sent.append(notice.uuid)
    return sent


def test_after_a_broken_connection_each_goes_alone_and_what_breaks_the_next_is_dropped(
    caplog: pytest.LogCaptureFixture,
) -> None:
    notices = Notices()
    notices.put(*map(_notice, "abc"))
    assert _send_all(notices) == ["a", "b", "c"]
    assert not notices.lost(suspicious=True)
    notices.put(_notice("new"))
    assert _send_all(notices) == ["a"] and notices.risking
    notices.settle([Acknowledged(0, 0, "", 0)])
    assert _send_all(notices) == ["b"]
    assert notices.lost(suspicious=True)
    assert notices.dropped == 1 and "breaks whenever" in caplog.text
    assert _send_all(notices) == ["c"]
    notices.settle([Acknowledged(0, 0, "", 0)])
    assert _send_all(notices) == ["new"]


def test_a_broker_that_goes_for_reasons_of_its_own_puts_nothing_under_suspicion() -> None:
    notices = Notices()
    notices.put(*map(_notice, "ab"))
    for _ in range(5):
        assert _send_all(notices) == ["a", "b"]
        assert not notices.lost()
    assert notices.dropped == 0


def test_what_is_larger_than_the_broker_takes_is_not_sent(caplog: pytest.LogCaptureFixture) -> None:
    notices = Notices()
    notices.packet_limit_bytes = 500
    notices.put(_notice("x" * 500), Notice("t", b"", "correlated", correlation=b"c" * 500), _notice("small"))
    assert _send_all(notices) == ["small"]
    assert notices.dropped == 2
    assert "takes 500 at most" in caplog.text


@pytest.mark.parametrize("code", [0, 0x95])
def test_an_answer_waits_for_its_picture_and_says_what_became_of_it(code: int) -> None:
    notices = Notices()
    notices.put(_notice("picture"), _notice("answer", after="picture", otherwise=b"no picture"))
    assert _send_all(notices) == ["picture"]
    notices.settle([Acknowledged(0, code, "", 0)])
    answer = notices.next()
    assert answer is not None and answer.uuid == "answer"
    assert answer.payload == (b"no picture" if code else b"answer")
