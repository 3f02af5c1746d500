"""`fissura run --track` with a real bundle: a crack that is seen in many frames is one event."""

from __future__ import annotations

import json
import logging
import signal
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from edge_runtime.local_broker import LocalBroker
from edge_runtime.spool import Spool
from fissura.cli import main
from fissura.imaging.decode import find_cracks
from fissura.imaging.images import Mask
from fissura.messages import Detection
from fissura.metrics.matching import grown
from fissura.synth import SynthConfig
from fissura.synth.flyover import FlyoverConfig, FlyoverFrame, fly, ground_of
from tests.edge_runtime.events import Book
from tests.mosquitto import Subscriber, start_run, wait_until

EXAMPLES = Path(__file__).parents[2] / "examples"
WIDTH, HEIGHT, SPEED, FRAMES = 320, 240, 8, 32
NEAR_PX = 4.0


def run(source: str, out: Path, *more: str, bundle: Path = EXAMPLES / "bundles" / "tiny") -> list[Detection]:
    """The messages of a run."""
    words = ("--bundle", bundle, "--source", source, "--sink", f"jsonl:{out}", "--threads", "1", "--mission", "m")
    assert main(["run", "--mode", "segmentation", *map(str, words), *more]) == 0
    return [Detection.model_validate_json(line) for line in out.read_text().splitlines()]


def crack_of(message: Detection, frame: FlyoverFrame, cracks: list[Mask]) -> int | None:
    """The true crack that most of a detection's outline lies at, on the ground."""
    x, y = np.rint(message.crack.polygon_px.points @ frame.pose[:2, :2].T + frame.pose[:2, 2]).astype(int).T
    height, width = cracks[0].shape
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    shares = [float((crack[y[inside], x[inside]]).sum()) / len(x) for crack in cracks]
    return int(np.argmax(shares)) if max(shares) >= 0.5 else None


def true_cracks(frames: list[FlyoverFrame]) -> list[Mask]:
    """A mask of each crack that came into view, grown by what outlines may be off."""
    ground = ground_of(frames)
    masks = []
    for found in find_cracks(ground.astype(np.float32), threshold=0.5):
        x, y, width, height = (int(value) for value in found.geometry.bbox_px)
        box = np.zeros(ground.shape, bool)
        box[y : y + height + 1, x : x + width + 1] = True
        masks.append(grown(ground & box, NEAR_PX))
    return masks


def events_by_crack(messages: list[Detection], flights: list[list[FlyoverFrame]]) -> Counter[tuple[int, int]]:
    """How many messages lie on each true crack, by flight and crack; what lies on none is the network's affair."""
    truth = [true_cracks(frames) for frames in flights]
    found: Counter[tuple[int, int]] = Counter()
    for message in messages:
        flight, number = divmod(message.frame.sequence, FRAMES)
        crack = crack_of(message, flights[flight][number], truth[flight])
        if crack is not None:
            found[flight, crack] += 1
    return found


def test_events_are_a_small_part_of_the_sightings_and_miss_none_of_the_true_cracks(tmp_path: Path) -> None:
    """Two flights with a cut between them. The network shows some cracks in pieces that no frame ever joins."""
    config = FlyoverConfig(width=WIDTH, height=HEIGHT, frames=FRAMES, speed_px=SPEED, distractors=0)
    flights = [list(fly(config, SynthConfig(width=WIDTH, height=HEIGHT), 2, flight)) for flight in (0, 1)]
    source = f"synth:?fly={SPEED}&count={2 * FRAMES}&width={WIDTH}&height={HEIGHT}&seed=2"
    sightings = events_by_crack(run(source, tmp_path / "alone.jsonl"), flights)
    told = run(source, tmp_path / "tracked.jsonl", "--track")
    whole = [message for message in told if message.phase == "end" and message.part_of is None]
    events = events_by_crack(whole, flights)
    assert events.keys() == sightings.keys() and len(events) == 3
    assert sum(sightings.values()) > 20 * sum(events.values())
    assert sum(events.values()) <= 6 * len(events)
    book = Book()
    book.take(told)
    assert book.cracks == len(whole) and 5 * len(told) < 2 * sum(sightings.values())


def test_every_event_reaches_the_store_and_the_file_before_the_end(tmp_path: Path, bundle: Path) -> None:
    """No broker answers: what the store holds after the run is what would be sent, and the file has the same."""
    words = ("--sink", "mqtt://127.0.0.1:1", "--spool", str(tmp_path / "spool.sqlite"), "--flush-timeout", "0")
    source = "synth:?fly=6&count=8&width=160&height=120&seed=2"
    told = run(source, tmp_path / "found.jsonl", "--track", *words, bundle=bundle)
    spool = Spool(tmp_path / "spool.sqlite")
    rows = [row.message for row in spool.take(1000) if row.message.topic.endswith("/detection")]
    spool.close()
    assert [Detection.model_validate_json(row.payload) for row in rows] == told
    book = Book()
    book.take(told)
    assert book.cracks >= 1


def test_a_run_that_is_ended_by_a_signal_has_ended_its_events_at_the_broker(
    tmp_path: Path, bundle: Path, broker: LocalBroker
) -> None:
    subscriber = Subscriber(broker.port)
    source = "synth:?fly=6&fps=20&width=160&height=120&seed=2"
    words = ("--bundle", bundle, "--source", source, "--sink", f"mqtt://127.0.0.1:{broker.port}", "--threads", "1")
    process = start_run(*words, "--mode", "segmentation", "--track", "--spool", tmp_path / "spool.sqlite")
    assert wait_until(lambda: any(message["phase"] == "update" for message in subscriber.of("detection")), 60)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert wait_until(lambda: bool(subscriber.of("status")) and subscriber.of("status")[-1]["state"] == "offline")
    book = Book()
    once = {message["uuid"]: message for message in subscriber.of("detection")}  # delivery is at least once
    book.take(Detection.model_validate(message) for message in once.values())
    assert book.cracks >= 1
    subscriber.close()


def test_overlays_show_every_frame_once_and_the_summary_counts_what_is_seen(
    tmp_path: Path, bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = "synth:?fly=6&count=8&width=160&height=120&seed=2"
    told = run(source, tmp_path / "a.jsonl", "--track", "--json", "--sink", f"overlay:{tmp_path / 'o'}", bundle=bundle)
    summary = json.loads(capsys.readouterr().out)
    seen = run(source, tmp_path / "b.jsonl", bundle=bundle)
    assert summary["detections"] == len(seen) > len(told) == summary["jsonl_lines"]
    assert summary["overlays"] == len(list((tmp_path / "o").iterdir())) == 8
    assert "register" in summary["stage_ms"] and "track" in summary["stage_ms"]


def test_photographs_that_have_nothing_to_do_with_each_other_are_told_apart(tmp_path: Path) -> None:
    source = f"folder:{EXAMPLES / 'images' / 'images'}?downsample=2"
    alone, told = (run(source, tmp_path / name, *more) for name, more in (("a", ()), ("b", ("--track",))))
    assert [d.crack for d in told if d.phase == "new"] == [d.crack for d in alone]
    assert {d.phase for d in told} == {"new", "end"}
    assert all(d.seen_frames == 1 for d in told)


@pytest.mark.parametrize("method", ["phase", "ecc"])
def test_the_file_asks_for_it_too_and_how_frames_are_registered_is_that_of_fusion(
    method: str, tmp_path: Path, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "run.yaml").write_text(f"track: true\nfuse: 3\nfuse_by: {method}\n")
    with caplog.at_level(logging.INFO):
        source = "synth:?fly=6&count=5&width=160&height=120&seed=2"
        told = run(source, tmp_path / "a.jsonl", "--config", str(tmp_path / "run.yaml"), bundle=bundle)
    assert "fused 4 frames, 1 stood alone" in caplog.text and "over 4 frames, 1 stood alone" in caplog.text
    assert {d.phase for d in told} >= {"new", "end"}


def test_what_makes_no_sense_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.yaml").write_text("bundle: x\nsource: 'synth:'\nsink: 'jsonl:x'\ntrack: 5\n")
    assert main(["run", "--config", str(tmp_path / "run.yaml")]) == 2
    assert "track: " in capsys.readouterr().err
