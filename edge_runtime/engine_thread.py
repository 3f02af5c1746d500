"""The one thread that builds, runs and closes engines: a GPU's context belongs to the thread that made it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")
CLOSE_TIMEOUT_S = 5.0


class EngineThread:
    """Does one piece of work after another. A long piece, such as a stream, lets others in by `do_waiting`."""

    def __init__(self) -> None:
        self._work: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        # A daemon: a driver that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def start(self, work: Callable[[], T]) -> Future[T]:
        """Have something done when its turn comes."""
        future: Future[T] = Future()
        self._work.put((future, work))
        return future

    def call(self, work: Callable[[], T]) -> T:
        """Have something done, and wait for it; raises what it raises."""
        return self.start(work).result()

    def do_waiting(self) -> None:
        """Within a piece of work: do what waits before going on."""
        try:
            while (item := self._work.get_nowait()) is not None:
                _do(*item)
        except Empty:
            return
        self._work.put(None)  # the end is for the thread itself

    def close(self) -> None:
        """End after the work in hand."""
        self._work.put(None)
        self._thread.join(CLOSE_TIMEOUT_S)

    def __enter__(self) -> EngineThread:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            _do(*item)


def _do(future: Future[Any], work: Callable[[], Any]) -> None:
    try:
        result = work()
    except BaseException as error:  # whatever it is, it belongs to the one who waits for the result
        future.set_exception(error)
    else:
        future.set_result(result)
