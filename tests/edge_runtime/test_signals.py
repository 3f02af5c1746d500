"""Signals, in processes of their own: the one that runs the tests has other libraries' threads in it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HANDLING = """
import json, os, signal
from edge_runtime import signals
signals._typed = lambda: {typed}
said = []
with signals.handling_signals(*[lambda word=word: said.append(word) for word in ("stop", "hurry", "reload")]):
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        os.kill(os.getpid(), number)
print(json.dumps(said))
"""
IGNORING = """
import os, signal
from edge_runtime import signals
signals._typed = lambda: False
before = signal.getsignal(signal.SIGHUP)
with signals.ignoring_hang_ups():
    os.kill(os.getpid(), signal.SIGHUP)
print(signal.getsignal(signal.SIGHUP) is before)
"""


def _run(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("typed", "expected"), [(False, ["reload", "stop", "hurry"]), (True, ["stop", "hurry", "hurry"])]
)
def test_a_hang_up_reloads_a_service_and_ends_what_was_typed(typed: bool, expected: list[str]) -> None:
    assert json.loads(_run(HANDLING.format(typed=typed))) == expected


def test_a_hang_up_before_all_is_loaded_ends_nothing() -> None:
    assert _run(IGNORING) == "True"
