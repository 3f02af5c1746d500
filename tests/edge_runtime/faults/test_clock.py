"""A wall clock that is set in mid-run, as GNSS or a time service does after a cold start."""

from __future__ import annotations

import shutil
import signal
import struct
import subprocess
import sys
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.local_broker import LocalBroker
from tests.edge_runtime.faults.runs import Run, finish
from tests.mosquitto import Subscriber, wait_until

HOUR_S = 3600
SOURCE = Path(__file__).with_name("leaping_clock.c")


@pytest.fixture
def library(tmp_path: Path) -> Path:
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("no C compiler here: sudo apt-get install gcc")
    path = tmp_path / "leaping_clock.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(path), str(SOURCE)], check=True)
    return path


def test_a_clock_that_leaps_an_hour_either_way_disturbs_nothing(
    bundle: Path, images: Path, tmp_path: Path, broker: LocalBroker, library: Path
) -> None:
    offset = tmp_path / "offset"
    offset.write_bytes(struct.pack("q", 0))
    env = {"LD_PRELOAD": str(library), "LEAP_FILE": str(offset)}
    subscriber = Subscriber(broker.port)
    run = Run(bundle, tmp_path, f"mqtt://127.0.0.1:{broker.port}?keepalive_s=5")
    process = run.start(f"folder:{images}?fps=20&loop=true", "--flush-timeout", "30", env=env)
    for leap_s in (0, HOUR_S, -HOUR_S):
        with offset.open("r+b") as file:  # in place: the process has it mapped
            file.write(struct.pack("q", leap_s))
        real = _seconds_now()
        before = len(subscriber.of("detection"))
        assert wait_until(lambda before=before: len(subscriber.of("detection")) >= before + 30)  # type: ignore[misc]
        assert wait_until(partial(_stamped, subscriber, real + leap_s))  # stamps follow
    assert wait_until(lambda: len(subscriber.of("telemetry")) >= 3)
    process.send_signal(signal.SIGTERM)
    code, summary, log = finish(process)
    assert code == 0, log
    assert summary["drops"].keys() <= {"stopped"} and summary["spool_drops"] == 0 and summary["connects"] == 1
    assert summary["left_in_spool"] == 0
    assert wait_until(lambda: subscriber.uuids() == run.found())
    beats = [(beat["uptime_s"], beat["frame_age_s"]) for beat in subscriber.of("telemetry")]
    assert all(uptime < 600 and age < 60 for uptime, age in beats if age is not None)  # ages know nothing of it
    assert [uptime for uptime, _ in beats] == sorted(uptime for uptime, _ in beats)
    subscriber.close()


def _seconds_now() -> float:
    return datetime.now().timestamp()


def _stamped(subscriber: Subscriber, about_s: float) -> bool:
    """Whether the newest detection says that it was sent at about this time."""
    return abs(_sent_s(subscriber.of("detection")[-1]) - about_s) < 120


def _sent_s(message: dict[str, Any]) -> float:
    return datetime.fromisoformat(message["sent_utc"].replace("Z", "+00:00")).timestamp()
