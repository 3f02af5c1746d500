"""SIGINT and SIGTERM as requests to stop in good order, SIGHUP as one to read the configuration again."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def handling_signals(stop: Callable[[], None], hurry: Callable[[], None], reload: Callable[[], None]) -> Iterator[None]:
    """Within the block the first SIGINT or SIGTERM calls `stop`, each later one `hurry`, and SIGHUP calls `reload`.

    They run between two instructions of the main thread, so they may only set flags: a lock could be held by the very
    code that they interrupt.
    """
    received = 0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal received
        received += 1
        (stop if received == 1 else hurry)()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, lambda *_: reload())
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
