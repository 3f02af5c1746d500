"""A thread that dies of an exception which nobody foresaw."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from edge_runtime.disk_sync import DiskSync
from edge_runtime.lost_threads import ending_with_its_threads
from fissura.cli import main
from fissura.errors import FissuraError

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


def _die(error: BaseException, name: str) -> None:
    def raising() -> None:
        raise error

    thread = threading.Thread(target=raising, name=name)
    thread.start()
    thread.join()


def test_its_exception_is_told_and_no_longer_after_the_block() -> None:
    told: list[FissuraError] = []
    with ending_with_its_threads(told.append):
        _die(SystemExit(), "leaves")
        _die(ZeroDivisionError("by zero"), "disk-sync")
    _die(ZeroDivisionError("later"), "other")
    assert [error.found for error in told] == ["thread disk-sync ended unexpectedly: ZeroDivisionError: by zero"]


def test_a_run_ends_rather_than_go_on_without_one(
    bundle: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages that are stored and never reach the disk, since nobody listens, and the thread that sees to it dies."""

    def fail(self: DiskSync) -> None:
        raise ZeroDivisionError("nobody has foreseen this")

    monkeypatch.setattr(DiskSync, "_visit", fail)
    words = ["run", "--bundle", str(bundle), "--source", "synth:?width=96&height=72", "--flush-timeout", "0"]
    assert main([*words, "--sink", "mqtt://127.0.0.1:1", "--spool", str(tmp_path / "spool.sqlite")]) == 2
    told = "error: thread disk-sync ended unexpectedly: ZeroDivisionError: nobody has foreseen this"
    assert told in capfd.readouterr().err
