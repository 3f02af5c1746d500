from __future__ import annotations

import threading
import time

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.updates.hints import Hints


def test_a_hint_ends_the_waiting() -> None:
    hints = Hints(interval_s=60)
    threading.Timer(0.1, hints.give).start()
    assert hints.wait(threading.Event(), timeout_s=60)


def test_without_a_hint_the_look_comes_by_itself() -> None:
    assert not Hints(interval_s=60).wait(threading.Event(), timeout_s=0.1)


def test_a_flood_of_hints_brings_one_look_in_an_interval() -> None:
    hints, stop, looks = Hints(interval_s=0.5), threading.Event(), 0

    def flood() -> None:
        while not stop.is_set():
            hints.give()
            time.sleep(0.0005)

    thread = threading.Thread(target=flood)
    thread.start()
    began = time.monotonic()
    while time.monotonic() - began < 2.0:
        looks += hints.wait(threading.Event(), timeout_s=60)
    stop.set()
    thread.join()
    assert 2 <= looks <= 1 + (time.monotonic() - began) / 0.5


def test_hints_before_a_look_are_over_with_it() -> None:
    hints = Hints(interval_s=0.0)
    for delay_s in (0.0, 0.01, 0.3):
        hints.give(delay_s)
    assert hints.wait(threading.Event(), timeout_s=60)
    assert not hints.wait(threading.Event(), timeout_s=0.5)


def test_stopping_ends_the_waiting() -> None:
    hints, stopping = Hints(interval_s=60), threading.Event()

    def stop() -> None:
        stopping.set()
        hints.wake()

    threading.Timer(0.1, stop).start()
    began = time.monotonic()
    assert not hints.wait(stopping, timeout_s=60)
    assert time.monotonic() - began < 30


@settings(max_examples=50, deadline=None)
@given(delays=st.lists(st.floats(0, 1e6), min_size=1, max_size=20))
def test_the_earliest_hint_counts(delays: list[float]) -> None:
    """A forged announcement with a long window cannot put off what was announced before."""
    hints = Hints(interval_s=0.0)
    now = time.monotonic()
    for delay_s in delays:
        hints.give(delay_s)
    assert hints._due_s is not None
    assert abs(hints._due_s - now - min(delays)) < 5
