from __future__ import annotations

import threading
import time
from datetime import datetime, timezone

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.frame import Frame
from edge_runtime.slot import QUEUE_LENGTH, FrameSlot
from fissura.imaging.images import RgbImage
from tests.mosquitto import wait_until


def empty_frame(sequence: int, image: RgbImage | None = None) -> Frame:
    """A frame; of one black pixel unless there is an image."""
    pixels = np.zeros((1, 1, 3), np.uint8) if image is None else image
    return Frame(pixels, 0, datetime.now(timezone.utc), "ntp", sequence, "s")


def test_latest_keeps_the_newest_and_counts_what_it_replaces() -> None:
    slot = FrameSlot("latest")
    assert [slot.put(empty_frame(n)) for n in range(4)] == [0, 1, 1, 1]
    newest = slot.take()
    assert newest is not None and newest.sequence == 3
    assert slot.take() is None


def test_every_frame_makes_the_reader_wait_and_loses_nothing() -> None:
    slot, total, lost = FrameSlot("every_frame"), 50, list[int]()

    def read() -> None:
        lost.extend(slot.put(empty_frame(n)) for n in range(total))
        slot.close()

    reader = threading.Thread(target=read)
    reader.start()
    assert wait_until(lambda: len(slot) == QUEUE_LENGTH)
    time.sleep(0.05)  # and it puts no more
    assert len(slot) == QUEUE_LENGTH and reader.is_alive()
    taken = []
    while not slot.exhausted:
        if (frame := slot.take()) is not None:
            taken.append(frame.sequence)
    reader.join()
    assert taken == list(range(total)) and sum(lost) == 0


def test_a_reader_that_waits_is_woken_when_half_of_the_queue_is_taken() -> None:
    slot = FrameSlot("every_frame")
    for n in range(QUEUE_LENGTH):
        slot.put(empty_frame(n))
    reader = threading.Thread(target=lambda: [slot.put(empty_frame(n)) for n in range(2)])
    reader.start()
    slot.take()
    time.sleep(0.05)
    assert len(slot) == QUEUE_LENGTH - 1 and reader.is_alive()
    for _ in range(QUEUE_LENGTH - QUEUE_LENGTH // 2 - 1):
        slot.take()
    reader.join(10)
    assert not reader.is_alive() and len(slot) == QUEUE_LENGTH // 2 + 2


def test_closing_frees_a_reader_that_waits() -> None:
    slot, lost = FrameSlot("every_frame"), list[int]()
    for n in range(QUEUE_LENGTH):
        slot.put(empty_frame(n))
    reader = threading.Thread(target=lambda: lost.append(slot.put(empty_frame(9))))
    reader.start()
    time.sleep(0.05)
    slot.close()
    reader.join(5)
    assert lost == [1]
    assert not slot.exhausted  # those that wait can still be taken
    assert [slot.take() is not None for _ in range(QUEUE_LENGTH + 1)] == [True] * QUEUE_LENGTH + [False]
    assert slot.exhausted


@given(st.lists(st.booleans(), max_size=40), st.sampled_from(["latest", "every_frame"]))
def test_every_frame_is_taken_lost_or_waiting(steps: list[bool], policy: str) -> None:
    slot = FrameSlot(policy)  # type: ignore[arg-type]
    put = lost = taken = 0
    last = -1
    for is_put in steps:
        if is_put and not (policy == "every_frame" and len(slot) == QUEUE_LENGTH):
            lost += slot.put(empty_frame(put))
            put += 1
        elif (frame := slot.take()) is not None:
            taken += 1
            assert frame.sequence > last
            last = frame.sequence
        assert put == lost + taken + len(slot)
