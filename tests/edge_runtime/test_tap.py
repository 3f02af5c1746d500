"""The newest frame for whoever watches, and how long the last ones took."""

from __future__ import annotations

import threading
from typing import cast

import numpy as np

from edge_runtime.model import Model
from edge_runtime.tap import Finished, Tap


def finished(number: int) -> Finished:
    image, found = np.full((2, 3, 3), number, np.uint8), np.zeros((2, 3), np.float32)
    return Finished(
        image, found, cast(Model, None), began_ns=100 * number, milliseconds=float(number), engine_ms=number / 2
    )


def test_each_frame_is_taken_once_and_the_newest_wins() -> None:
    tap = Tap()
    assert tap.take(0.0) is None
    for number in (1, 2, 3):
        tap.put(finished(number))
    taken = tap.take(0.0)
    assert taken is not None and taken.image[0, 0, 0] == 3
    assert tap.take(0.0) is None
    assert tap.milliseconds() == [1.0, 2.0, 3.0] and tap.milliseconds(since_ns=200) == [2.0, 3.0]
    assert tap.engine_milliseconds(since_ns=200) == [1.0, 1.5]


def test_whoever_waits_is_woken() -> None:
    tap = Tap()
    threading.Timer(0.1, tap.put, (finished(7),)).start()
    taken = tap.take(20.0)
    assert taken is not None and taken.milliseconds == 7
