"""The pipeline with a real model; sources and outputs at its ends are made to misbehave."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_runtime.camera import Camera
from edge_runtime.counters import Counters
from edge_runtime.engine_thread import EngineThread
from edge_runtime.frame import EndOfStream, Frame, Timeout
from edge_runtime.inference import Inference, open_inference
from edge_runtime.masks import Region
from edge_runtime.model import model_of
from edge_runtime.pipeline import Pipeline, run_to_end
from edge_runtime.sinks.sink import Deadline, Sink
from edge_runtime.slot import Policy
from edge_runtime.sources.source import Source
from edge_runtime.stages import StageTimes
from edge_runtime.task import Task
from fissura.bundle import load_bundle
from fissura.config import Config
from fissura.errors import BrokerError, EngineError, FissuraError, ImageError, SinkError, SourceError
from fissura.messages import Detection
from tests.bundles import make_bundle
from tests.edge_runtime.conftest import calibrated, pavement
from tests.mosquitto import wait_until


class Script(Source):
    """Gives what a list says; an exception in it is raised."""

    config_class: ClassVar[type[Config]] = Config
    live: ClassVar[bool] = False
    name = "front"

    def __init__(self, items: Iterable[object], pause_s: float = 0.0) -> None:
        self._items = iter(items)
        self._pause_s = pause_s

    def read(self) -> Frame | Timeout | EndOfStream:
        time.sleep(self._pause_s)
        item = next(self._items, EndOfStream())
        if isinstance(item, Exception):
            raise item
        assert isinstance(item, Frame | Timeout | EndOfStream)
        return item

    def close(self) -> None:
        pass


class Collect(Sink):
    """Keeps what it is given; fails at chosen frames."""

    config_class: ClassVar[type[Config]] = Config
    stage: ClassVar[str] = "collect"

    def __init__(self, fail_at: tuple[int, ...] = (), slow_s: float = 0.0) -> None:
        self.frames: list[Frame] = []
        self.detections: list[Detection] = []
        self.closed_with: list[FissuraError | None] = []
        self.flushed = 0
        self._fail_at = fail_at
        self._slow_s = slow_s

    def put(self, frame: Frame, detections: Sequence[Detection], probability: NDArray[np.float32]) -> None:
        time.sleep(self._slow_s)
        if frame.sequence in self._fail_at:
            raise SinkError("the disk is full")
        self.frames.append(frame)
        self.detections += detections

    def flush(self, deadline: Deadline) -> None:
        self.flushed += 1

    def close(self, error: FissuraError | None = None) -> None:
        self.closed_with.append(error)

    def totals(self) -> dict[str, int]:
        return {}


class AtThird(Collect):
    """Does something when it is given the third frame: the run is under way then, however slow the machine."""

    do: Callable[[], None]
    at = 2

    def put(self, frame: Frame, detections: Sequence[Detection], probability: NDArray[np.float32]) -> None:
        if frame.sequence == self.at:
            self.do()
        super().put(frame, detections, probability)


def frame(sequence: int, image: NDArray[np.uint8] | None = None, gsd: float | None = None) -> Frame:
    pixels = pavement(sequence) if image is None else image
    return Frame(pixels, time.monotonic_ns(), datetime.now(timezone.utc), "ntp", sequence, "front", None, gsd)


@pytest.fixture
def inference(bundle: Path) -> Iterator[Inference]:
    opened = open_inference(load_bundle(bundle), "fused", "onnxruntime", {"threads": 1})
    yield opened
    opened.close()


class Run:
    """A pipeline with its ends."""

    def __init__(
        self,
        inference: Inference,
        bundle: Path,
        items: Sequence[object],
        *sinks: Collect,
        policy: Policy = "every_frame",
        pause_s: float = 0.0,
        threshold: float | None = None,
        region: Region | None = None,
        gsd: float | None = None,
        **task: float,
    ) -> None:
        self.counters, self.times = Counters(), StageTimes()
        self.sinks = sinks or (Collect(),)
        self.thread = EngineThread()
        self.pipeline = Pipeline(
            [Camera(Script(items, pause_s), policy, region=region, gsd_mm_per_px=gsd)],
            model_of(load_bundle(bundle), inference, threshold),
            self.thread,
            self.sinks,
            Task("s1", "m1", **task),  # type: ignore[arg-type]
            self.counters,
            self.times,
        )

    def to_end(self, **options: object) -> Run:
        with self.thread:
            run_to_end(self.pipeline, self.sinks, Deadline(1), **options)  # type: ignore[arg-type]
        return self

    @property
    def drops(self) -> dict[str, int]:
        return self.counters.snapshot().drops

    @property
    def sink_errors(self) -> dict[str, int]:
        return self.counters.snapshot().sink_errors


def test_every_crack_of_every_frame_is_a_detection(inference: Inference, bundle: Path) -> None:
    run = Run(inference, bundle, [frame(0), Timeout(), frame(1, gsd=3.0)], gsd=1.5).to_end()
    (sink,) = run.sinks
    assert [d.frame.sequence for d in sink.detections] == [0, 0, 1, 1]
    assert len({d.uuid for d in sink.detections} | {d.event_id for d in sink.detections}) == 8
    for detection in sink.detections:
        gsd = (1.5, 3.0)[detection.frame.sequence]  # a frame that knows its own has the last word
        assert detection.frame.gsd_mm_per_px == gsd
        assert detection.crack.mean_width_mm == pytest.approx(gsd * detection.crack.mean_width_px)
        assert 0.5 <= detection.confidence <= 1
        x, _, width, height = detection.crack.bbox_px
        assert (x + width / 2) == pytest.approx(24, abs=6) or (x + width / 2) == pytest.approx(72, abs=6)
        assert height > 45  # camera pixels, though the map has twice as many
    assert run.drops == {}
    assert sink.closed_with == [None] and sink.flushed == 1
    assert list(run.times.all()) == ["encode", "fused", "decode", "collect", "frame"]


def test_hysteresis_and_temperature_are_the_bundle_s_and_another_threshold_moves_both(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "plain", roles=("fused",))
    faint = np.full((72, 96, 3), 150, np.uint8)
    faint[4:30, 46:49], faint[30:68, 46:49] = 40, 114  # the lower part of the crack: a probability of about 0.4
    found = {}
    for name, low, temperature in (("plain", None, 1.0), ("both", 0.05, 2.0)):
        if low is not None:
            calibrated(folder, low_threshold=low, temperature=temperature)
        inference = open_inference(load_bundle(folder), "fused", "onnxruntime", {"threads": 1})
        for threshold in (None, 0.6, 0.99):
            run = Run(inference, folder, [frame(0, faint)], threshold=threshold).to_end()
            found[name, threshold] = run.sinks[0].detections
        inference.close()
    length = {key: sum(d.crack.length_px for d in detections) for key, detections in found.items()}
    assert length["both", None] > 60 > 30 > length["plain", None]
    assert length["both", 0.6] > 60 > 30 > length["plain", 0.6]
    assert length["both", 0.99] < 30  # its low one is above the faint part
    (cool,), (plain,) = found["both", 0.99], found["plain", 0.99]
    assert 0.8 < cool.confidence < plain.confidence


def test_what_lies_outside_the_region_is_no_crack(inference: Inference, bundle: Path) -> None:
    keep = np.zeros((72, 96), bool)
    keep[:, 48:] = True
    run = Run(inference, bundle, [frame(0)], region=Region(keep, "the mask")).to_end()
    (detection,) = run.sinks[0].detections
    assert detection.crack.bbox_px[0] > 60


def test_short_cracks_are_left_out(inference: Inference, bundle: Path) -> None:
    assert Run(inference, bundle, [frame(0)], min_length_px=500).to_end().sinks[0].detections == []


def test_a_frame_that_fails_costs_that_frame(
    inference: Inference, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = frame(2, image=np.zeros((72, 96, 4), np.uint8))
    items = [frame(0), ImageError("image b.png is damaged"), broken, frame(3)]
    run = Run(inference, bundle, items).to_end()
    assert [f.sequence for f in run.sinks[0].frames] == [0, 3]
    assert run.drops == {"unreadable": 1, "failed": 1}
    assert "b.png" in caplog.text and "frame 2" in caplog.text


def test_thousands_of_failures_are_a_few_lines(
    inference: Inference, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = frame(1, image=np.zeros((8, 8, 4), np.uint8))
    run = Run(inference, bundle, [frame(0), *[broken] * 3000]).to_end()
    assert run.drops == {"failed": 3000}
    assert len(caplog.records) <= 3


def test_an_output_that_fails_keeps_the_others_going(
    inference: Inference, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = Collect(fail_at=(1,)), Collect()
    run = Run(inference, bundle, [frame(n) for n in range(3)], bad, good).to_end()
    assert [f.sequence for f in bad.frames] == [0, 2]
    assert [f.sequence for f in good.frames] == [0, 1, 2]
    assert run.drops == {} and run.sink_errors == {"collect": 1}  # the frame was processed
    assert "disk is full" in caplog.text


def test_an_output_that_takes_nothing_is_an_error_after_the_run(inference: Inference, bundle: Path) -> None:
    bad, good = Collect(fail_at=(0, 1, 2)), Collect()
    run = Run(inference, bundle, [frame(n) for n in range(3)], bad, good)
    with pytest.raises(SinkError, match="disk is full") as caught:
        run.to_end()
    assert len(good.frames) == 3 and good.flushed == bad.flushed == 1
    assert good.closed_with == bad.closed_with == [caught.value]
    assert run.sink_errors == {"collect": 3}


def test_an_output_that_takes_only_empty_frames_has_lost_everything(inference: Inference, bundle: Path) -> None:
    empty = frame(1, image=np.full((72, 96, 3), 150, np.uint8))
    with pytest.raises(SinkError, match="disk is full"):
        Run(inference, bundle, [frame(0), empty, frame(2)], Collect(fail_at=(0, 2))).to_end()
    Run(inference, bundle, [frame(0), empty, frame(2)], Collect(fail_at=(1, 2))).to_end()
    with pytest.raises(SinkError, match="disk is full"):  # where no frame has a crack, the empty ones count
        Run(inference, bundle, [empty], Collect(fail_at=(1,))).to_end()


def test_an_output_that_took_nothing_until_a_signal_came_is_an_error(inference: Inference, bundle: Path) -> None:
    sink = AtThird(fail_at=tuple(range(500)))
    run = Run(inference, bundle, [frame(n) for n in range(500)], sink)
    sink.do = run.pipeline.stop
    with pytest.raises(SinkError, match="disk is full"):
        run.to_end()


def test_latest_drops_what_comes_too_fast_and_counts_it(inference: Inference, bundle: Path) -> None:
    run = Run(
        inference, bundle, [frame(n) for n in range(40)], Collect(slow_s=0.05), policy="latest", pause_s=0.005
    ).to_end()
    done = [f.sequence for f in run.sinks[0].frames]
    assert done == sorted(done) and done[-1] == 39  # never behind, and the last one counts
    assert len(done) + run.drops["superseded"] == 40
    assert len(done) < 30


def test_every_frame_drops_nothing(inference: Inference, bundle: Path) -> None:
    run = Run(inference, bundle, [frame(n) for n in range(30)], Collect(slow_s=0.005)).to_end()
    assert [f.sequence for f in run.sinks[0].frames] == list(range(30)) and run.drops == {}


def test_a_paused_live_camera_is_read_on_though_its_queue_was_full(
    inference: Inference, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Script, "live", True)
    sink = AtThird()
    sink.at = 3
    run = Run(inference, bundle, [frame(n) for n in range(100)], sink)

    def paused() -> int:
        return run.counters.snapshot().drops.get("paused", 0)

    at_once, read_on = list[int](), list[bool]()

    def pause() -> None:
        time.sleep(0.2)  # the engine comes to its limit
        assert wait_until(lambda: run.counters.snapshot().sources["front"].waits)  # and the reader to its own
        run.pipeline.pause(True)
        at_once.append(paused())
        watcher.start()

    def stop_in_the_end() -> None:
        read_on.append(wait_until(lambda: paused() >= 80))
        run.pipeline.stop()

    watcher = threading.Thread(target=stop_in_the_end)
    sink.do = pause
    run.to_end()
    watcher.join()
    assert at_once[0] >= 2 and read_on == [True]
    assert len(sink.frames) < 15  # what was in flight, and nothing that had waited


def test_max_frames(inference: Inference, bundle: Path) -> None:
    run = Run(inference, bundle, [frame(n) for n in range(30)]).to_end(max_frames=3)
    assert len(run.sinks[0].frames) == 3
    assert set(run.drops) <= {"stopped"}


def test_stop_ends_after_the_frame_in_hand(inference: Inference, bundle: Path) -> None:
    sink = AtThird()
    run = Run(inference, bundle, [frame(n) for n in range(500)], sink)
    sink.do = run.pipeline.stop
    run.to_end()
    assert 3 <= len(sink.frames) < 100
    assert run.counters.snapshot().frames == len(sink.frames)
    assert sink.flushed == 1 and sink.closed_with == [None]


def test_stop_while_no_frame_comes(inference: Inference, bundle: Path) -> None:
    run = Run(inference, bundle, [Timeout()] * 10**6, pause_s=0.01)
    threading.Timer(0.2, run.pipeline.stop).start()
    began = time.monotonic()
    run.to_end()
    assert time.monotonic() - began < 60


def test_a_source_that_hangs_does_not_keep_the_run_from_ending(
    inference: Inference, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_runtime.pipeline.READER_TIMEOUT_S", 0.2)
    run = Run(inference, bundle, [frame(0)], pause_s=30)
    threading.Timer(0.1, run.pipeline.stop).start()
    began = time.monotonic()
    run.to_end()
    assert time.monotonic() - began < 15
    assert [camera.name for camera in run.pipeline.hung] == ["front"]


@pytest.mark.parametrize(
    ("items", "kind", "found"),
    [
        ([SourceError("camera gone")], SourceError, "camera gone"),
        ([ImageError("a damaged"), ImageError("b damaged")], SourceError, "no frame could be read; the last: b"),
        ([], SourceError, "before its first frame"),
        ([RuntimeError("driver")], SourceError, "RuntimeError: driver"),
    ],
)
def test_a_source_without_a_frame_is_an_error(
    inference: Inference, bundle: Path, items: list[object], kind: type[FissuraError], found: str
) -> None:
    run = Run(inference, bundle, items)
    with pytest.raises(kind, match=found) as caught:
        run.to_end()
    assert run.sinks[0].closed_with == [caught.value]


def test_a_camera_lost_in_mid_run_is_an_error_after_the_flush(inference: Inference, bundle: Path) -> None:
    run = Run(inference, bundle, [frame(0), SourceError("camera gone")])
    with pytest.raises(SourceError, match="camera gone"):
        run.to_end()
    assert len(run.sinks[0].frames) == 1 and run.sinks[0].flushed == 1


def test_when_no_frame_can_be_processed_the_cause_is_the_error(inference: Inference, bundle: Path) -> None:
    region = Region(np.ones((10, 10), bool), "the mask roi.png")
    with pytest.raises(ImageError, match=r"roi\.png is 10x10"):
        Run(inference, bundle, [frame(0), frame(1)], region=region).to_end()


def test_a_failure_from_another_thread_ends_the_run(inference: Inference, bundle: Path) -> None:
    def fail() -> None:
        other = threading.Thread(target=run.pipeline.fail, args=(BrokerError("refused"),))
        other.start()
        other.join()

    sink = AtThird()
    run = Run(inference, bundle, [frame(n) for n in range(500)], sink)
    sink.do = fail
    with pytest.raises(BrokerError, match="refused"):
        run.to_end()
    assert len(sink.frames) < 100


def test_every_output_is_closed_when_one_cannot_be(inference: Inference, bundle: Path) -> None:
    class Stubborn(Collect):
        def close(self, error: FissuraError | None = None) -> None:
            raise SinkError("cannot be finished")

    last = Collect()
    with pytest.raises(SinkError, match="cannot be finished"):
        Run(inference, bundle, [frame(0)], Stubborn(), last).to_end()
    assert len(last.closed_with) == 1


def test_an_error_of_the_system_in_one_output_keeps_no_other_from_its_end(inference: Inference, bundle: Path) -> None:
    class Stubborn(Collect):
        def flush(self, deadline: Deadline) -> None:
            raise OSError(5, "Input/output error")

    first, last = Stubborn(), Collect()
    with pytest.raises(SinkError, match="Input/output error") as caught:
        Run(inference, bundle, [frame(0)], first, last).to_end()
    assert last.flushed == 1
    assert first.closed_with == last.closed_with == [caught.value]


def test_an_error_of_a_library_is_translated(
    inference: Inference, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*words: object) -> None:
        raise MemoryError("out of memory")

    monkeypatch.setattr(inference, "run", fail)
    with pytest.raises(EngineError, match="MemoryError: out of memory"):
        Run(inference, bundle, [frame(0)]).to_end()


def test_the_reader_gives_up_after_a_thousand_unreadable_frames_in_a_row(
    inference: Inference, bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(SourceError, match="1000 frames in a row"):
        Run(inference, bundle, [frame(0), *[ImageError("bad")] * 2000]).to_end()


def test_what_breaks_the_engines_thread_itself_is_an_error_and_not_the_end_of_the_source(
    inference: Inference, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*words: object) -> None:
        raise RuntimeError("a mistake")

    run = Run(inference, bundle, [frame(0)])
    monkeypatch.setattr(run.pipeline._arrivals, "take", fail)
    with pytest.raises(EngineError, match="engine's thread failed: RuntimeError: a mistake"):
        run.to_end()
