"""Several cameras, one engine: in batches where the graph takes them, and none is hurt by another."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_runtime.camera import Camera
from edge_runtime.counters import Counters
from edge_runtime.engine_thread import EngineThread
from edge_runtime.frame import Frame
from edge_runtime.inference import Inference
from edge_runtime.model import model_of
from edge_runtime.pipeline import Pipeline, run_to_end
from edge_runtime.sinks.sink import Deadline
from edge_runtime.stages import StageTimes
from edge_runtime.task import Task
from fissura.bundle import load_bundle
from fissura.errors import SourceError
from fissura.imaging.images import RgbImage
from tests.edge_runtime.conftest import pavement
from tests.edge_runtime.test_pipeline import Collect, Script, frame, inference
from tests.mosquitto import wait_until

__all__ = ["inference"]


class Noting:
    """An inference that notes how many frames it got at once; fails at white frames."""

    def __init__(self, inference: Inference) -> None:
        self._inference = inference
        self.sizes: list[int] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inference, name)

    def run(self, image: RgbImage, times: StageTimes) -> NDArray[np.float32]:
        return self.run_batch([image], times)[0]

    def run_batch(self, images: Sequence[RgbImage], times: StageTimes) -> list[NDArray[np.float32]]:
        if any(image.min() == 255 for image in images):
            raise MemoryError("out of memory")
        self.sizes.append(len(images))
        return self._inference.run_batch(images, times)


def named(name: str, items: Iterable[object], pause_s: float = 0.0) -> Camera:
    return Camera(Script(items, pause_s), "every_frame", label=name)


def run(
    bundle: Path, inference: Inference | Noting, cameras: Sequence[Camera], sink: Collect, **options: int
) -> Counters:
    counters = Counters(camera.name for camera in cameras)
    with EngineThread() as thread:
        model = model_of(load_bundle(bundle), inference)  # type: ignore[arg-type]
        pipeline = Pipeline(cameras, model, thread, [sink], Task("s1", "m1"), counters, StageTimes())
        run_to_end(pipeline, [sink], Deadline(1), **options)
    return counters


def found(sink: Collect, name: str) -> list[tuple[int, float]]:
    return [(d.frame.sequence, d.crack.length_px) for d in sink.detections if d.frame.source == name]


def test_frames_of_several_cameras_go_as_one_batch_with_the_same_result(bundle: Path, inference: Inference) -> None:
    alone = Collect()
    run(bundle, inference, [named("left", [frame(n) for n in range(6)])], alone)
    waiting = {"left": threading.Event(), "right": threading.Event()}

    def six(name: str) -> Iterator[Frame]:
        for n in range(6):
            if n == 2:  # those before wait for the engine, or are in it
                waiting[name].set()
            yield frame(n)

    class Patient(Collect):
        """Takes nothing before both cameras are at work; until then the engine gets no more than two batches."""

        def put(self, *given: Any) -> None:
            assert all(event.wait(30) for event in waiting.values())
            super().put(*given)

    noting, together = Noting(inference), Patient()
    cameras = [named(name, six(name)) for name in waiting]
    counters = run(bundle, noting, cameras, together)
    assert max(noting.sizes) == 2 and sum(noting.sizes) == 12
    assert found(together, "left") == found(together, "right")
    assert [n for n, _ in found(together, "left")] == [n for n, _ in found(alone, "left")]
    for one, other in zip(found(together, "left"), found(alone, "left"), strict=True):
        assert one[1] == pytest.approx(other[1], rel=1e-3)
    counts = counters.snapshot()
    assert {name: source.frames for name, source in counts.sources.items()} == {"left": 6, "right": 6}


def test_frames_of_other_sizes_are_not_mixed(bundle: Path, inference: Inference) -> None:
    sink = Collect()
    small = [frame(n, image=pavement(n, width=64, height=48)) for n in range(3)]
    run(bundle, inference, [named("large", [frame(n) for n in range(3)]), named("small", small)], sink)
    assert sorted((f.source, f.sequence, f.image.shape[0]) for f in sink.frames) == [
        *[("large", n, 72) for n in range(3)],
        *[("small", n, 48) for n in range(3)],
    ]


def test_one_bad_frame_of_a_batch_costs_that_frame(bundle: Path, inference: Inference) -> None:
    white = np.full((72, 96, 3), 255, np.uint8)
    sink = Collect(slow_s=0.02)
    cameras = [named("left", [frame(n) for n in range(4)]), named("right", [frame(n, image=white) for n in range(4)])]
    counts = run(bundle, Noting(inference), cameras, sink).snapshot()
    assert counts.sources["left"].frames == 4 and counts.sources["left"].drops == {}
    assert counts.sources["right"].frames == 0 and counts.sources["right"].drops == {"failed": 4}


def test_a_camera_that_is_lost_does_not_end_the_others(bundle: Path, inference: Inference) -> None:
    sink = Collect()
    cameras = [
        named("lost", [frame(0), SourceError("camera gone")]),
        named("well", [frame(n) for n in range(10)], pause_s=0.01),
    ]
    with pytest.raises(SourceError, match="camera gone"):  # at the end: the exit code should tell
        run(bundle, inference, cameras, sink)
    assert [f.sequence for f in sink.frames if f.source == "well"] == list(range(10))


def test_the_lost_camera_is_said_when_it_is_lost(
    bundle: Path, inference: Inference, caplog: pytest.LogCaptureFixture
) -> None:
    cameras = [named("lost", [SourceError("camera gone")]), named("well", [frame(n) for n in range(3)])]
    with caplog.at_level(logging.ERROR), pytest.raises(SourceError):
        run(bundle, inference, cameras, Collect())
    assert "camera lost" in caplog.text and "camera gone" in caplog.text


def test_max_frames_counts_all_cameras(bundle: Path, inference: Inference) -> None:
    sink = Collect()
    cameras = [named(name, [frame(n) for n in range(30)]) for name in ("a", "b", "c")]
    run(bundle, inference, cameras, sink, max_frames=7)
    assert len(sink.frames) == 7


def test_no_more_than_two_batches_are_in_flight(bundle: Path, inference: Inference) -> None:
    noting, gate = Noting(inference), threading.Event()

    class Closed(Collect):
        def put(self, frame: Frame, *rest: object) -> None:  # type: ignore[override]
            gate.wait(10)

    cameras = [named("a", [frame(n) for n in range(20)])]
    running = threading.Thread(target=run, args=(bundle, noting, cameras, Closed()))
    running.start()
    assert wait_until(lambda: len(noting.sizes) == 2)  # one whose output is stuck, one behind it
    time.sleep(0.3)
    assert len(noting.sizes) == 2
    gate.set()
    running.join(60)
    assert len(noting.sizes) == 20
