from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest

from deploy.fleet.simulation.loop import Loop
from tests.mosquitto import wait_until


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    loop.start()
    yield loop
    loop.close()


def test_alarms_go_off_in_their_order(loop: Loop) -> None:
    came: list[int] = []

    def begin() -> None:
        for delay in (3, 1, 2):
            loop.after(delay / 50, partial(came.append, delay))

    loop.post(begin)
    assert wait_until(lambda: came == [1, 2, 3])


def test_the_clock_stands_while_the_machine_cannot_follow(loop: Loop) -> None:
    """Two alarms that are half a second apart stay apart, whatever came between."""
    came: list[float] = []

    def begin() -> None:
        loop.after(0.1, lambda: time.sleep(1.5))
        loop.after(0.3, lambda: came.append(time.monotonic()))
        loop.after(1.1, lambda: came.append(time.monotonic()))

    loop.post(begin)
    assert wait_until(lambda: len(came) == 2)
    assert came[1] - came[0] > 0.5
    assert loop.stood_s > 1.0


def test_the_clock_stands_while_it_is_held(loop: Loop) -> None:
    came = threading.Event()
    loop.held = lambda: True
    loop.post(lambda: loop.after(0.2, came.set))
    began_s = loop.now_s
    assert not came.wait(0.8)
    loop.held = lambda: False
    assert came.wait(20)
    assert loop.now_s - began_s >= 0.2


def test_a_device_that_fails_does_not_stop_the_others(loop: Loop) -> None:
    came = threading.Event()

    def fail() -> None:
        raise RuntimeError("one")

    loop.post(fail)
    loop.post(came.set)
    assert came.wait(20)
    assert [str(error) for error in loop.errors] == ["one"]
