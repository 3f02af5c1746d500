from __future__ import annotations

import threading
import time

import pytest

from edge_runtime.engine_thread import EngineThread


def test_all_work_is_done_by_one_thread_in_order() -> None:
    with EngineThread() as thread:
        done: list[int] = []
        futures = [thread.start(lambda n=n: (done.append(n), threading.get_ident())[1]) for n in range(20)]  # type: ignore[misc]
        assert len({future.result(5) for future in futures}) == 1
        assert done == list(range(20))
        assert thread.call(threading.get_ident) != threading.get_ident()


def test_an_error_belongs_to_the_caller_and_the_thread_goes_on() -> None:
    with EngineThread() as thread:
        with pytest.raises(ValueError, match="wrong"):
            thread.call(lambda: (_ for _ in ()).throw(ValueError("wrong")))
        assert thread.call(lambda: 1) == 1


def test_a_long_piece_of_work_lets_others_in() -> None:
    with EngineThread() as thread:
        stop = threading.Event()
        order: list[str] = []

        def stream() -> None:
            while not stop.is_set():
                thread.do_waiting()
                time.sleep(0.005)
            order.append("stream")

        running = thread.start(stream)
        thread.call(lambda: order.append("between"))
        stop.set()
        running.result(5)
        assert order == ["between", "stream"]


def test_closing_while_a_long_piece_runs_ends_after_it() -> None:
    thread = EngineThread()
    done = threading.Event()

    def stream() -> None:
        for _ in range(20):
            thread.do_waiting()
            time.sleep(0.005)
        done.set()

    thread.start(stream)
    thread.close()
    assert done.is_set()
