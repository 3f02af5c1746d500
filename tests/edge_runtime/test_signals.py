from __future__ import annotations

import os
import signal

import pytest

from edge_runtime import signals


@pytest.mark.parametrize(("typed", "expected"), [(False, ["reload"]), (True, ["stop"])])
def test_a_hang_up_reloads_a_service_and_ends_what_was_typed(
    typed: bool, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "_typed", lambda: typed)
    said: list[str] = []
    calls = [lambda word=word: said.append(word) for word in ("stop", "hurry", "reload")]  # type: ignore[misc]
    with signals.handling_signals(*calls):
        os.kill(os.getpid(), signal.SIGHUP)
        assert said == expected
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    assert said[-1] == "hurry"
    assert len(said) == 3


def test_a_hang_up_before_all_is_loaded_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "_typed", lambda: False)
    before = signal.getsignal(signal.SIGHUP)
    with signals.ignoring_hang_ups():
        os.kill(os.getpid(), signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is before
