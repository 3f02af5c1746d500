"""A thread that dies of an exception which nobody foresaw ends the run.

Python prints such an exception and goes on without the thread: for weeks, if it was the one that brings messages to the
disk. A run that ends is started again by the service manager, with all of its threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from fissura.errors import FissuraError


@contextmanager
def ending_with_its_threads(fail: Callable[[FissuraError], None]) -> Iterator[None]:
    """Within the block, an exception that leaves any thread but the main one calls `fail`, in that thread."""
    before = threading.excepthook

    def tell(lost: threading.ExceptHookArgs) -> None:
        before(lost)  # the traceback
        if issubclass(lost.exc_type, SystemExit):
            return
        name = "unknown" if lost.thread is None else lost.thread.name
        fail(
            FissuraError(
                f"thread {name} ended unexpectedly: {lost.exc_type.__name__}: {lost.exc_value}",
                expected="that each thread lasts as long as the run",
                fix="start again, and report the traceback in the log: this is a fault of fissura's",
            )
        )

    threading.excepthook = tell
    try:
        yield
    finally:
        threading.excepthook = before
