"""Ends at any moment, asked for or not: what was found is delivered, or waits in the spool."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from edge_runtime.local_broker import LocalBroker
from tests.edge_runtime.faults.runs import Run, finish
from tests.mosquitto import Subscriber, wait_until

MOMENTS_S = (0.05, 0.6, 1.1, 1.8, 2.6)
MORE_MOMENTS_S = tuple(round(random.Random(n).uniform(0.0, 5.0), 2) for n in range(25))


@pytest.mark.parametrize(
    "moment_s", [*MOMENTS_S, *(pytest.param(moment, marks=pytest.mark.slow) for moment in MORE_MOMENTS_S)]
)
def test_sigterm_at_any_moment_loses_nothing(
    bundle: Path, images: Path, tmp_path: Path, broker: LocalBroker, moment_s: float
) -> None:
    subscriber = Subscriber(broker.port)
    run = Run(bundle, tmp_path, f"mqtt://127.0.0.1:{broker.port}")
    process = run.start(f"folder:{images}?fps=50&loop=true")
    time.sleep(moment_s)
    process.send_signal(signal.SIGTERM)
    code, _, log = finish(process)
    # Before the run has begun, Python's own ending by the signal is as good.
    assert code == 0 or (code == -signal.SIGTERM and not run.found()), log
    left = run.left()
    assert wait_until(lambda: subscriber.uuids() | left >= run.found())
    subscriber.close()


@pytest.mark.slow
def test_killed_again_and_again_in_mid_burst(bundle: Path, images: Path, tmp_path: Path, broker: LocalBroker) -> None:
    subscriber = Subscriber(broker.port)
    run = Run(bundle, tmp_path, f"mqtt://127.0.0.1:{broker.port}")
    rng = random.Random(0)
    for _ in range(12):
        before = len(subscriber.uuids())
        process = run.start(f"folder:{images}?loop=true")  # as fast as it goes
        assert wait_until(lambda before=before: len(subscriber.uuids()) > before, 60)  # type: ignore[misc]
        time.sleep(rng.uniform(0.0, 1.0))
        process.kill()
        process.communicate()
    code, summary, log = finish(run.start(f"folder:{images}", "--max-frames", "1", "--flush-timeout", "60"))
    assert code == 0, log
    assert summary["left_in_spool"] == 0
    assert wait_until(lambda: subscriber.uuids() >= run.found())
    assert len(subscriber.of("detection")) < 1.5 * len(subscriber.uuids())  # at least once, and not much more
    subscriber.close()
