"""A card reader or a bad cable: some of the frames are no pictures."""

from __future__ import annotations

import random
from pathlib import Path

import cv2
import pytest

from edge_runtime.local_broker import LocalBroker
from tests.edge_runtime.conftest import pavement
from tests.edge_runtime.faults.runs import Run, finish
from tests.mosquitto import Subscriber, wait_until

FRAMES, CORRUPT = 1000, 50


@pytest.mark.slow
def test_50_corrupt_frames_in_1000_cost_50_frames(bundle: Path, tmp_path: Path, broker: LocalBroker) -> None:
    pictures = [cv2.imencode(".png", pavement(seed, width=48, height=36))[1].tobytes() for seed in range(4)]
    rng = random.Random(0)
    ways = (
        lambda data: b"",
        lambda data: data[: rng.randrange(8, len(data) // 3)],
        lambda data: rng.randbytes(len(data)),
        lambda data: b"not a picture at all",
    )
    images = tmp_path / "images"
    images.mkdir()
    corrupt = set(rng.sample(range(FRAMES), CORRUPT))
    for n in range(FRAMES):
        data = pictures[n % len(pictures)]
        if n in corrupt:
            data = ways[n % len(ways)](data)
        (images / f"{n:04d}.png").write_bytes(data)
    subscriber = Subscriber(broker.port)
    run = Run(bundle, tmp_path, f"mqtt://127.0.0.1:{broker.port}")
    code, summary, log = finish(run.start(f"folder:{images}", "--flush-timeout", "40"), 150)
    assert code == 0, log
    assert summary["frames"] == FRAMES - CORRUPT
    assert summary["drops"] == {"unreadable": CORRUPT}
    assert summary["left_in_spool"] == 0
    assert wait_until(lambda: subscriber.uuids() == run.found() != set())
    assert len(log.splitlines()) < 60  # not a line for each
    subscriber.close()
