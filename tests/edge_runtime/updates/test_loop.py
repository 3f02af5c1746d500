from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from edge_runtime.updates.config import UpdatesConfig
from edge_runtime.updates.hints import Hints
from edge_runtime.updates.layout import Layout
from edge_runtime.updates.loop import look_again_and_again
from edge_runtime.updates.state import State, StateFile
from fissura.errors import RepositoryError
from fissura.update_messages import Phase


class Looks:
    """Counts; fails in each way once."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.enough = threading.Event()
        self.errors: list[Exception] = [RepositoryError("unreachable: away"), ValueError("a bug")]

    def __call__(self, stopping: threading.Event) -> Phase:
        self.times.append(time.monotonic())
        if len(self.times) >= 4:
            self.enough.set()
        if self.errors:
            raise self.errors.pop()
        return "idle"


def config(poll_s: float) -> UpdatesConfig:
    return UpdatesConfig.model_validate(
        {"url": "http://localhost", "root": "root.json", "state": "state", "serial": "truck-07", "poll_s": poll_s}
    )


def run(looks: Looks, poll_s: float, hints: Hints) -> tuple[threading.Thread, threading.Event]:
    stopping = threading.Event()
    thread = threading.Thread(target=look_again_and_again, args=(looks, config(poll_s), hints, stopping), daemon=True)
    thread.start()
    return thread, stopping


def test_errors_do_not_end_it_and_stopping_does(caplog: pytest.LogCaptureFixture) -> None:
    looks, hints = Looks(), Hints(60)
    thread, stopping = run(looks, 0.05, hints)
    assert looks.enough.wait(60)
    stopping.set()
    hints.wake()
    thread.join(60)
    assert not thread.is_alive()
    assert "unreachable: away" in caplog.text
    assert "a bug" in caplog.text


def test_a_flood_of_hints_brings_one_look_an_interval() -> None:
    looks, hints = Looks(), Hints(interval_s=0.5)
    began_s = time.monotonic()
    hints.give()
    thread, stopping = run(looks, 3600, hints)
    while (took_s := time.monotonic() - began_s) < 1.6 or (len(looks.times) < 2 and took_s < 60):
        hints.give()
        time.sleep(0.001)
    stopping.set()
    hints.wake()
    thread.join(60)
    # Not each gap: a look may begin late, and the next one in time.
    assert 2 <= len(looks.times) <= 1 + (time.monotonic() - began_s) / 0.5


def test_the_log_says_why_and_says_it_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    layout = Layout(tmp_path)
    StateFile(layout.state).save(State(phase="rejected", model="tiny", release=7, reason="golden: mask IoU 0.4"))
    looks, hints, stopping = Looks(), Hints(60), threading.Event()
    looks.errors = []

    def look(stopping: threading.Event) -> Phase:
        looks(stopping)
        if len(looks.times) == 3:
            StateFile(layout.state).save(State(phase="committed", model="tiny", release=8))
        return "rejected" if len(looks.times) < 3 else "committed"

    options = config(0.05).model_copy(update={"state": tmp_path})
    thread = threading.Thread(target=look_again_and_again, args=(look, options, hints, stopping), daemon=True)
    thread.start()
    assert looks.enough.wait(60)
    stopping.set()
    hints.wake()
    thread.join(60)
    assert caplog.messages == [
        "updates: rejected release 7 of tiny: golden: mask IoU 0.4",
        "updates: committed release 8 of tiny",
    ]
