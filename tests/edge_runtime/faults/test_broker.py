"""Brokers that hang, or do not take everything."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_runtime.local_broker import LocalBroker
from fissura.imaging.images import write_rgb
from tests.edge_runtime.conftest import pavement
from tests.edge_runtime.faults.runs import Run, finish
from tests.mosquitto import Subscriber, wait_until

MakeBroker = Callable[..., LocalBroker]


@pytest.mark.parametrize("stopped_s", [1.5, pytest.param(20.0, marks=pytest.mark.slow)])
def test_a_broker_that_hangs_for_a_while_costs_nothing(
    bundle: Path, images: Path, tmp_path: Path, broker: LocalBroker, stopped_s: float
) -> None:
    subscriber = Subscriber(broker.port)
    run = Run(bundle, tmp_path, f"mqtt://127.0.0.1:{broker.port}?keepalive_s=5")
    process = run.start(f"folder:{images}?fps=25&loop=true", "--flush-timeout", "40")
    assert wait_until(lambda: len(subscriber.uuids()) >= 10)
    broker.signal(signal.SIGSTOP)
    time.sleep(stopped_s)
    before = len(run.found())
    assert wait_until(lambda: len(run.found()) > before)  # the cameras do not wait for the broker
    broker.signal(signal.SIGCONT)
    received = len(subscriber.uuids())
    assert wait_until(lambda: len(subscriber.uuids()) > received)
    process.send_signal(signal.SIGTERM)
    code, summary, log = finish(process)
    assert code == 0, log
    assert summary["left_in_spool"] == 0 and summary["drops"].keys() <= {"stopped"}
    assert wait_until(lambda: subscriber.uuids() == run.found() != set())
    subscriber.close()


@pytest.mark.parametrize(
    ("setting", "version"),
    [
        ("max_packet_size 1907", "5"),  # announced; 1750 and what a packet has beside its payload
        ("message_size_limit 1750", "5"),  # said in the PUBACK
        pytest.param("max_packet_size 1786", "3.1.1", marks=pytest.mark.slow),  # said by hanging up
    ],
)
def test_what_a_broker_cannot_take_is_a_dead_letter_and_the_rest_flows(
    bundle: Path, tmp_path: Path, make_broker: MakeBroker, setting: str, version: str
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for seed in range(4):
        write_rgb(images / f"{seed}.png", pavement(seed))
    write_rgb(images / "0-large.png", pavement(9, width=480, height=400))  # longer cracks have longer outlines
    broker = make_broker("allow_anonymous true", setting)
    subscriber = Subscriber(broker.port)
    run = Run(bundle, tmp_path, f"mqtt://127.0.0.1:{broker.port}")
    # Without a reason code each culprit has to be found by broken connections, with a pause after each.
    words = ("--mqtt-version", version, "--flush-timeout", "25" if version == "5" else "75")
    code, summary, log = finish(run.start(f"folder:{images}", *words), 150)
    assert code == 0, log
    lines = (tmp_path / "found.jsonl").read_text().splitlines()
    large = {json.loads(line)["uuid"] for line in lines if len(line) > 1750}
    assert 0 < len(large) < len(lines)
    assert "was not taken" in log and len(log.splitlines()) < 60
    if version == "5":  # to be sure without a reason code takes some minutes
        assert summary["dead_letters"] == len(large) and summary["left_in_spool"] == 0
        assert summary["connects"] == 1
    assert summary["connects"] < 10
    assert wait_until(lambda: subscriber.uuids() == run.found() - large)
    assert run.left() == large  # kept, for a broker that takes more
    subscriber.close()
