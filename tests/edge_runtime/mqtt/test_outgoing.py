from __future__ import annotations

from pathlib import Path
from uuid import uuid4

from edge_runtime.mqtt.outgoing import Outgoing
from edge_runtime.spool import Message, Spool, SpoolLimits


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
