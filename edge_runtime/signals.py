"""SIGINT and SIGTERM as requests to stop in good order, SIGHUP as one to read the configuration again."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def handling_signals(stop: Callable[[], None], hurry: Callable[[], None], reload: Callable[[], None]) -> Iterator[None]:
    """Within the block the first SIGINT or SIGTERM calls `stop`, each later one `hurry`, and SIGHUP calls `reload`.

    SIGHUP also comes when the terminal goes that the command was typed into: then it is one more reason to stop.

    They run between two instructions of the main thread, so they may only set flags: a lock could be held by the very
    code that they interrupt.
    """
    received = 0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal received
        received += 1
        (stop if received == 1 else hurry)()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    hang_up = handle if _typed() else lambda *_: reload()
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, hang_up)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ignoring_hang_ups() -> Iterator[None]:
    """Around all of a run: a reload that is asked for while the model loads must not end the process."""
    if _typed():
        yield
        return
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def signal_name(number: int) -> str:
    """As people know it; of a real-time signal, which has no name in Python, the number."""
    return f"signal {signal.Signals(number).name}" if number in set(signal.Signals) else f"signal {number}"


def _typed() -> bool:
    """Whether the process hangs on a terminal."""
    try:
        return os.isatty(0)
    except OSError:  # closed
        return False
