"""Several cameras wait for one engine: none starves, none is overtaken by itself."""

from __future__ import annotations

import time
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.arrivals import Arrivals
from edge_runtime.camera import Camera, check_names
from edge_runtime.frame import EndOfStream, Frame, Timeout
from edge_runtime.slot import QUEUE_LENGTH
from edge_runtime.sources.source import Source
from fissura.config import Config
from fissura.errors import ConfigError
from tests.edge_runtime.test_slot import empty_frame


class Silent(Source):
    config_class: ClassVar[type[Config]] = Config
    live: ClassVar[bool] = False

    def __init__(self, name: str) -> None:
        self.name = name

    def read(self) -> Frame | Timeout | EndOfStream:
        return Timeout()

    def close(self) -> None:
        pass


def cameras(count: int) -> list[Camera]:
    return [Camera(Silent(f"camera {number}"), "every_frame") for number in range(count)]


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=60), st.integers(1, 4))
def test_frames_keep_their_order_and_each_camera_its_turn(steps: list[tuple[int, bool]], most: int) -> None:
    arrivals = Arrivals(cameras(3))
    put, taken = [0, 0, 0], [0, 0, 0]
    for number, is_put in steps:
        slot = arrivals.slots[number]
        if is_put and len(slot) < QUEUE_LENGTH:
            slot.put(empty_frame(put[number]))
            put[number] += 1
        elif not is_put:
            waiting = [len(slot) for slot in arrivals.slots]
            batch = arrivals.take(most, 0)
            assert len(batch) == min(most, sum(map(bool, waiting)))
            names = [arrival.camera.name for arrival in batch]
            assert len(set(names)) == len(names)
            for arrival in batch:
                camera = int(arrival.camera.name[-1])
                assert arrival.frame.sequence == taken[camera]
                taken[camera] += 1
    assert sum(put) == sum(taken) + sum(arrivals.waiting().values())


def test_no_camera_starves_another() -> None:
    arrivals = Arrivals(cameras(2))
    order = []
    for number in range(QUEUE_LENGTH):
        arrivals.slots[0].put(empty_frame(number))
        arrivals.slots[1].put(empty_frame(number))
    for _ in range(2 * QUEUE_LENGTH):
        order += [arrival.camera.name for arrival in arrivals.take(1, 0)]
    assert order == ["camera 0", "camera 1"] * QUEUE_LENGTH


def test_a_batch_is_of_one_size() -> None:
    arrivals = Arrivals(cameras(3))
    for number, side in enumerate((8, 16, 8)):
        arrivals.slots[number].put(empty_frame(number, np.zeros((side, side, 3), np.uint8)))
    assert [arrival.camera.name for arrival in arrivals.take(4, 0)] == ["camera 0", "camera 2"]
    assert [arrival.camera.name for arrival in arrivals.take(4, 0)] == ["camera 1"]


def test_a_wait_without_a_frame_ends_and_the_end_of_all_is_seen_at_once() -> None:
    arrivals = Arrivals(cameras(2))
    began = time.monotonic()
    assert arrivals.take(1, 0.05) == [] and not arrivals.exhausted
    assert 0.04 < time.monotonic() - began < 30
    for slot in arrivals.slots:
        slot.close()
    began = time.monotonic()
    assert arrivals.take(1, 60) == [] and arrivals.exhausted
    assert time.monotonic() - began < 30


def test_two_cameras_of_one_name_are_refused() -> None:
    check_names(cameras(3))
    with pytest.raises(ConfigError, match="2 cameras are called 'x'"):
        check_names([Camera(Silent("x"), "latest"), Camera(Silent("y"), "latest", label="x")])
