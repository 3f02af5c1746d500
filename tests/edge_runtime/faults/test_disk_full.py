"""A disk that is full, as logs and pictures of others make it: a small file system of our own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from edge_runtime.local_broker import LocalBroker
from tests.edge_runtime.faults.runs import Run, finish
from tests.mosquitto import Subscriber, wait_until
from tests.small_disk import small_disk

MakeBroker = Callable[..., LocalBroker]
SIZE_BYTES = 8 << 20
LEFT_FREE_BYTES = 300_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", SIZE_BYTES) as folder:
        yield folder


def test_a_full_disk_costs_what_comes_meanwhile_and_nothing_else(
    bundle: Path, images: Path, tmp_path: Path, disk: Path, make_broker: MakeBroker
) -> None:
    broker = make_broker(started=False)
    run = Run(bundle, tmp_path, f"mqtt://127.0.0.1:{broker.port}", disk / "spool.sqlite")
    process = run.start(f"folder:{images}?fps=60&loop=true", "--flush-timeout", "30")
    assert wait_until(lambda: len(run.found()) >= 20)
    state = os.statvfs(disk)
    with suppress(OSError):  # the run may have taken the rest meanwhile
        (disk / "filler").write_bytes(bytes(max(0, state.f_bavail * state.f_frsize - LEFT_FREE_BYTES)))
    assert wait_until(lambda: os.statvfs(disk).f_bavail == 0)
    before = len(run.found())
    assert wait_until(lambda: len(run.found()) >= before + 100)  # the run goes on
    assert process.poll() is None
    (disk / "filler").unlink()
    before = len(run.found())
    assert wait_until(lambda: len(run.found()) >= before + 40)
    broker.start()
    subscriber = Subscriber(broker.port)
    process.send_signal(signal.SIGTERM)
    code, summary, log = finish(process)
    assert code == 0, log
    assert summary["left_in_spool"] == 0
    assert wait_until(lambda: len(subscriber.uuids()) == summary["spooled"])
    lost = run.found() - subscriber.uuids()
    assert subscriber.uuids() <= run.found()
    assert len(lost) == 2 * summary["sink_errors"]["spool"] > 0  # two cracks a frame: none is missing uncounted
    assert "disk is full" in log
    assert len(log.splitlines()) < 60
    subscriber.close()
