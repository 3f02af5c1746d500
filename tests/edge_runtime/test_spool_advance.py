"""Rows are given out once each, in order, whether they come from memory or from disk."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from edge_runtime import fresh_rows
from edge_runtime.spool import Spool, SpoolLimits
from edge_runtime.spool_row import Message, Priority, Row


def _message(size: int = 10, *, telemetry: bool = False, topic: str = "t") -> Message:
    return Message(str(uuid4()), topic, b"x" * size, priority=Priority.TELEMETRY if telemetry else Priority.DETECTION)


@pytest.fixture
def little_memory() -> Iterator[None]:
    before, fresh_rows.MOST_BYTES = fresh_rows.MOST_BYTES, 2000
    yield
    fresh_rows.MOST_BYTES = before


class AdvanceMachine(RuleBasedStateMachine):
    """Against a model: what waits, and what is on its way."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="spool-"))
        self.spool = Spool(self.folder / "s.sqlite", SpoolLimits(max_bytes=6000))
        self.waiting: list[Message] = []
        self.out: dict[int, Row] = {}

    @rule(batch=st.lists(st.tuples(st.integers(0, 600), st.booleans(), st.sampled_from("tu")), max_size=4))
    def put(self, batch: list[tuple[int, bool, str]]) -> None:
        messages = [_message(size, telemetry=telemetry, topic=topic) for size, telemetry, topic in batch]
        self.spool.put(messages)
        kept = {row.message.uuid for row in self.spool.take(1000)}
        self.waiting = [message for message in (*self.waiting, *messages) if message.uuid in kept]
        self.out = {id: row for id, row in self.out.items() if row.message.uuid in kept}

    @rule(limit=st.integers(1, 5), skip=st.sampled_from([(), ("t",), ("u",), ("t", "u")]))
    def advance(self, limit: int, skip: tuple[str, ...]) -> None:
        rows = self.spool.advance(limit, on_their_way=list(self.out), skip_topics=skip)
        expected = sorted((m for m in self.waiting if m.topic not in skip), key=lambda m: m.priority)[:limit]
        assert [row.message for row in rows] == expected
        self.waiting = [message for message in self.waiting if message not in expected]
        self.out |= {row.id: row for row in rows}

    @precondition(lambda self: self.out)
    @rule(count=st.integers(1, 3))
    def acknowledge(self, count: int) -> None:
        done = list(self.out)[:count]
        self.spool.delete(done)
        for id in done:
            del self.out[id]

    @rule()
    def lose_the_connection(self) -> None:
        self.spool.rewind()
        back = [self.out[id].message for id in sorted(self.out)]
        order = {row.message.uuid: row.id for row in self.spool.take(1000)}
        self.waiting = sorted([*self.waiting, *back], key=lambda m: order[m.uuid])
        self.out = {}

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            self.spool.close()
            shutil.rmtree(self.folder)


TestAdvanceMachine = pytest.mark.usefixtures("little_memory")(AdvanceMachine.TestCase)
AdvanceMachine.TestCase.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)


def test_rows_put_by_one_thread_are_given_to_another_once_each(tmp_path: Path, little_memory: None) -> None:
    spool = Spool(tmp_path / "s.sqlite")
    put: list[str] = []

    def work() -> None:
        for n in range(300):
            messages = [_message(50, telemetry=n % 7 == 0) for _ in range(n % 4 + 1)]
            spool.put(messages)
            put.extend(message.uuid for message in messages)

    thread = threading.Thread(target=work)
    thread.start()
    taken: list[str] = []
    out: list[int] = []
    while True:
        over = not thread.is_alive()
        rows = spool.advance(7, on_their_way=out)
        taken += [row.message.uuid for row in rows]
        out += [row.id for row in rows]
        if len(out) > 40:
            spool.delete(out)
            out.clear()
        if over and not rows:
            break
    assert sorted(taken) == sorted(put)
    spool.close()
