"""The pipeline with tracking: what is seen is drawn, what is told is published, and every event comes to its end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_runtime.frame import Frame
from edge_runtime.fusion import FusionConfig
from edge_runtime.inference import Inference
from edge_runtime.tracker import Tracker
from fissura.errors import BrokerError, SinkError, SourceError
from fissura.messages import Detection
from fissura.synth import SynthConfig
from fissura.synth.flyover import FlyoverConfig, fly
from tests.edge_runtime.events import Book
from tests.edge_runtime.test_pipeline import Collect, Run, frame, inference

__all__ = ["inference"]

PAVEMENT = SynthConfig(crack_free=0, cracks=(2, 3), width_mm=(3.0, 6.0))
FLIGHT = [
    flown.image
    for flown in fly(FlyoverConfig(width=160, height=120, frames=12, speed_px=8, distractors=0), PAVEMENT, 1)
]


class Publish(Collect):
    """Takes what is told, and keeps book; nothing may come after the flush."""

    stage: ClassVar[str] = "publish"
    takes: ClassVar[Literal["seen", "told"]] = "told"

    def __init__(self, fail_at: tuple[int, ...] = ()) -> None:
        super().__init__(fail_at)
        self.book = Book()

    def put(self, frame: Frame, detections: Sequence[Detection], probability: NDArray[np.float32]) -> None:
        assert not self.flushed
        super().put(frame, detections, probability)
        self.book.take(detections)


def flight(count: int = 12) -> list[Frame]:
    return [frame(number, image=FLIGHT[number % 12]) for number in range(count)]


def test_what_is_seen_is_drawn_and_what_is_told_is_published(
    inference: Inference, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    draw, publish = Collect(), Publish()
    with caplog.at_level(logging.INFO):
        run = Run(inference, bundle, flight(), draw, publish, track=True).to_end()
    alone = Run(inference, bundle, flight()).to_end().sinks[0]
    assert [d.crack for d in draw.detections] == [d.crack for d in alone.detections]
    assert {d.event_id for d in draw.detections} == set(publish.book.ended)
    assert {d.phase for d in draw.detections} == {"new", "update"}
    assert run.counters.snapshot().detections == len(draw.detections)
    assert 2 <= publish.book.cracks < len(draw.detections) / 4
    assert publish.book.told < len(draw.detections) / 2
    assert [f.sequence for f in draw.frames] == list(range(12))
    assert [f.sequence for f in publish.frames] == [*range(12), 11]  # the ends come with the last frame again
    assert f"tracked {publish.book.cracks} cracks over 11 frames, 1 stood alone" in caplog.text
    assert {"register", "track"} <= run.times.all().keys()


def test_a_last_word_repeats_the_best_sighting(inference: Inference, bundle: Path) -> None:
    draw, publish = Collect(), Publish()
    Run(inference, bundle, flight(), draw, publish, track=True).to_end()
    for event, end in publish.book.ended.items():
        seen = [d for d in draw.detections if d.event_id == event]
        if end.part_of is None:
            assert end.seen_frames == max(d.seen_frames or 0 for d in seen)
            assert end.crack.length_px >= max(d.crack.length_px for d in seen)
        best = next(d for d in draw.detections if d.crack == end.crack)
        assert (end.frame, end.model, end.confidence) == (best.frame, best.model, best.confidence)
        assert end.sent_utc is not None and best.sent_utc is not None and end.sent_utc > best.sent_utc


def test_without_tracking_all_outputs_take_the_same(inference: Inference, bundle: Path) -> None:
    draw, publish = Collect(), Collect()
    publish.takes = "told"  # type: ignore[misc]
    Run(inference, bundle, flight(3), draw, publish).to_end()
    assert draw.detections == publish.detections != []
    assert {(d.phase, d.seen_frames, d.part_of) for d in draw.detections} == {("new", None, None)}
    assert [f.sequence for f in publish.frames] == [0, 1, 2]


def test_frames_may_be_fused_and_tracked_at_once(
    inference: Inference, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    publish = Publish()
    with caplog.at_level(logging.INFO):
        run = Run(inference, bundle, flight(), publish, track=True, fusion=FusionConfig(frames=3)).to_end()
    assert publish.book.cracks >= 2
    assert "fused 11 frames, 1 stood alone" in caplog.text and "tracked" in caplog.text
    assert len(run.times.all()["register"]) == 12  # once a frame


def _stop(run: Run) -> None:
    run.pipeline.stop()


def _fail(run: Run) -> None:
    run.pipeline.fail(BrokerError("refused"))


@pytest.mark.parametrize(("how", "error"), [(_stop, None), (_fail, BrokerError)])
def test_events_end_however_the_run_does(
    how: Callable[[Run], None], error: type[Exception] | None, inference: Inference, bundle: Path
) -> None:
    class AtFourth(Publish):
        def put(self, frame: Frame, *rest: Any) -> None:
            super().put(frame, *rest)
            if frame.sequence == 3 and len(self.frames) == 4:
                how(run)

    publish = AtFourth()
    run = Run(inference, bundle, flight(500), publish, track=True)
    if error is None:
        run.to_end()
    else:
        with pytest.raises(error):
            run.to_end()
    assert len(publish.frames) < 100 and publish.book.cracks >= 1 and publish.flushed == 1


def test_events_end_when_the_camera_is_lost_and_at_the_last_of_so_many_frames(
    inference: Inference, bundle: Path
) -> None:
    publish = Publish()
    with pytest.raises(SourceError, match="camera gone"):
        Run(inference, bundle, [*flight(3), SourceError("camera gone")], publish, track=True).to_end()
    assert publish.book.cracks >= 1
    publish = Publish()
    Run(inference, bundle, flight(), publish, track=True).to_end(max_frames=4)
    assert publish.book.cracks >= 1 and [f.sequence for f in publish.frames] == [0, 1, 2, 3, 3]


def test_an_exception_of_the_tracker_costs_its_frame_and_no_event_is_lost(
    inference: Inference, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    update, calls = Tracker.update, list[int]()

    def fifth_fails(self: Tracker, *given: Any) -> Any:
        calls.append(1)
        if len(calls) == 5:
            raise MemoryError("out of memory")
        return update(self, *given)

    monkeypatch.setattr(Tracker, "update", fifth_fails)
    draw, publish = Collect(), Publish()
    run = Run(inference, bundle, flight(), draw, publish, track=True).to_end()
    assert run.drops == {"failed": 1}
    assert [f.sequence for f in draw.frames] == [0, 1, 2, 3, *range(5, 12)]
    # What the frame should have moved has not moved: the next one stands alone.
    after = {d.phase for d in draw.detections if d.frame.sequence == 5}
    assert after == {"new"} and publish.book.cracks >= 2


def test_a_cut_ends_what_was_seen_before_it(inference: Inference, bundle: Path) -> None:
    other = [image[::-1].copy() for image in FLIGHT]
    frames = [frame(n, image=image) for n, image in enumerate([*FLIGHT[:3], *other[3:6]])]
    draw, publish = Collect(), Publish()
    Run(inference, bundle, frames, draw, publish, track=True).to_end()
    ids = [{d.event_id for d in draw.detections if d.frame.sequence in part} for part in (range(3), range(3, 6))]
    assert ids[0] and ids[1] and not ids[0] & ids[1]
    assert publish.book.cracks >= 2


def test_an_output_that_takes_only_frames_without_news_has_lost_everything(inference: Inference, bundle: Path) -> None:
    class Full(Publish):
        def put(self, frame: Frame, detections: Sequence[Detection], probability: NDArray[np.float32]) -> None:
            if detections:
                raise SinkError("the disk is full")
            super().put(frame, detections, probability)

    full = Full()
    with pytest.raises(SinkError, match="disk is full"):
        Run(inference, bundle, flight(), full, track=True).to_end()
    assert full.frames  # it took those
