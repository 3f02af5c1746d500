"""The parts of a live camera, each alone."""

from __future__ import annotations

import itertools
import json
import os
import socket
import threading
import time

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.sources.camera.backoff import FIRST_S, Backoff
from edge_runtime.sources.camera.freeze import FreezeWatch
from edge_runtime.sources.camera.http_stream import is_whole_jpeg
from edge_runtime.sources.camera.outbox import Outbox
from edge_runtime.sources.camera.ring import Pixels, RingReader, RingWriter
from tests.edge_runtime.sources.mjpeg_server import jpeg, picture

SHAPES = [(4, 6, 3), (40, 60, 3), (2, 3, 4)]


class Ends:
    """Both ends of the shared memory in one process."""

    def __init__(self) -> None:
        self.ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ours.settimeout(0.02)
        self._fd = os.memfd_create("test")
        self.outbox = Outbox(theirs, RingWriter(self._fd))
        self.ring = RingReader(self._fd)
        self._theirs = theirs
        self._thread = threading.Thread(target=self.outbox.serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.ours.close()
        self._thread.join(10)
        assert not self._thread.is_alive()  # the outbox notices that nobody is there
        self._theirs.close()
        os.close(self._fd)


def _fill(ends: Ends, value: int, shape: tuple[int, ...]) -> None:
    place = ends.outbox.place(shape)
    place[...] = value
    ends.outbox.put(place, 0, 0)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(["put", "put", "damaged", "ask"]), max_size=40))
def test_what_is_read_stays_and_all_is_counted(steps: list[str]) -> None:
    ends = Ends()
    sizes = itertools.cycle(SHAPES)
    number = readable = damaged = seen = told = superseded = 0
    asked = False
    held: Pixels | None = None
    value = 0
    for step in [*steps, "ask", "put", "ask", "ask"]:
        if step == "put":
            _fill(ends, number % 256, next(sizes))
            number, readable = number + 1, readable + 1
        elif step == "damaged":
            ends.outbox.unreadable()
            number, damaged = number + 1, damaged + 1
        else:
            if not asked:
                ends.ours.send(b"?")
                asked, held = True, None
            try:
                answer = json.loads(ends.ours.recv(65536))
            except TimeoutError:
                continue
            asked = False
            if answer["kind"] == "unreadable":
                told += answer["count"]
            else:
                held, value = ends.ring.view(answer["offset"], tuple(answer["shape"])), answer["sequence"] % 256
                seen, superseded = seen + 1, answer["superseded"]
        if held is not None:
            assert np.all(held == value)  # nobody wrote there meanwhile
    assert told <= damaged and seen + superseded <= readable
    ends.close()


def test_frames_that_nobody_takes_are_counted() -> None:
    ends = Ends()
    for number in range(5):
        _fill(ends, number, SHAPES[0])
    ends.ours.settimeout(10)
    ends.ours.send(b"?")
    answer = json.loads(ends.ours.recv(65536))
    assert (answer["sequence"], answer["superseded"]) == (4, 4)
    ends.close()


def test_a_frozen_picture_is_one_that_does_not_change_for_long() -> None:
    watch = FreezeWatch(10.0)
    first, second = picture(1), picture(2)
    other = first.copy()
    other[-1, -1, 2] ^= 1  # a single bit, in the last pixel
    assert not watch.is_frozen(first, 0)
    assert not watch.is_frozen(first.copy(), 9.9)
    assert watch.is_frozen(first.copy(), 10)
    assert not watch.is_frozen(other, 11)
    assert not watch.is_frozen(second, 30)
    assert not watch.is_frozen(second.copy(), 39)
    assert not watch.is_frozen(picture(2, 64, 48), 50)  # another size


def test_without_patience_nothing_is_frozen() -> None:
    watch = FreezeWatch(0)
    assert not any(watch.is_frozen(picture(1), now_s) for now_s in (0, 1e3, 1e6))


def test_the_waits_grow_to_their_bound_and_scatter() -> None:
    runs = []
    for _ in range(200):
        backoff = Backoff(6.0)
        runs.append([backoff.next_s() for _ in range(100)])
    waits = np.array(runs)
    bounds = np.minimum(6.0, FIRST_S * 2.0 ** np.arange(100))
    assert np.all(waits >= 0) and np.all(waits <= bounds)
    assert np.all(np.abs(waits.mean(axis=0) / bounds - 0.5) < 0.15)
    backoff.reset()
    assert backoff.next_s() <= FIRST_S


def test_a_jpeg_is_whole_or_it_is_not() -> None:
    data = jpeg(picture(3))
    middle = len(data) // 2
    assert is_whole_jpeg(data) and is_whole_jpeg(data + b"\r\n")
    thumbnail = b"\xff\xe1" + (len(data) + 2).to_bytes(2, "big") + data  # one picture inside the other's head
    assert is_whole_jpeg(data[:2] + thumbnail + data[2:])
    for damaged in (
        b"",
        data[:middle],
        data[middle:],
        data[:middle] + b"\xff\xd8" + data[middle:],
        data[:20],
        b"x" * 99,
    ):
        assert not is_whole_jpeg(damaged)
    progressive = cv2.imencode(".jpg", picture(3), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    assert is_whole_jpeg(progressive) and not is_whole_jpeg(progressive[:-9])


@given(st.binary(max_size=200))
def test_no_bytes_upset_the_check(data: bytes) -> None:
    assert is_whole_jpeg(data) in (True, False)
    assert is_whole_jpeg(b"\xff\xd8" + data + b"\xff\xd9") in (True, False)


def test_a_frame_is_handed_over_soon() -> None:
    ends = Ends()
    ends.ours.settimeout(10)
    ends.ours.send(b"?")
    time.sleep(0.05)  # the request waits for the frame, not the frame for a request
    _fill(ends, 7, (1080, 1920, 3))
    answer = json.loads(ends.ours.recv(65536))
    assert ends.ring.view(answer["offset"], tuple(answer["shape"]))[-1, -1, -1] == 7
    ends.close()
