"""A run that is changed while it runs: no frame is lost, and what is wrong changes nothing."""

from __future__ import annotations

import json
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest

from edge_runtime.budget import FrameBudget
from edge_runtime.camera import Camera
from edge_runtime.counters import Counters
from edge_runtime.engine_thread import EngineThread
from edge_runtime.frame import EndOfStream, Frame, Timeout
from edge_runtime.inference import Inference, open_inference
from edge_runtime.pipeline import Pipeline, run_to_end
from edge_runtime.run.config import RunConfig
from edge_runtime.run.live import LiveControl
from edge_runtime.run.loading import ModelLoader
from edge_runtime.sinks.sink import Deadline
from edge_runtime.slot import Policy
from edge_runtime.sources.source import Source
from edge_runtime.stages import StageTimes
from edge_runtime.task import Task
from fissura.bundle import MANIFEST_NAME, load_bundle
from fissura.config import Config, parse_config
from fissura.errors import BundleError, ConfigError, EngineError, SourceError, UsageError
from fissura.messages import ModelStamp
from tests.bundles import CASCADE_ROLES, make_bundle
from tests.edge_runtime.test_pipeline import Collect, frame
from tests.mosquitto import start_run, wait_until


class Endless(Source):
    """A hundred frames a second, for ever."""

    config_class: ClassVar[type[Config]] = Config
    live: ClassVar[bool] = False
    name = "front"

    def __init__(self) -> None:
        self._sequence = 0

    def read(self) -> Frame | Timeout | EndOfStream:
        time.sleep(0.01)
        self._sequence += 1
        return frame(self._sequence - 1)

    def close(self) -> None:
        pass


class Cam(Endless):
    live: ClassVar[bool] = True


class Live:
    """A pipeline in a thread, with its control."""

    def __init__(self, source: Source, policy: Policy, **settings: object) -> None:
        self.settings: dict[str, object] = {"source": "synth:", "sink": "jsonl:x", "threads": 1, **settings}
        self.sink, self.counters, self.models = Collect(), Counters(["front"]), list[ModelStamp]()
        config = self.config()
        budget = FrameBudget(config.budget_ms)
        self.thread = EngineThread()
        loader = ModelLoader(self.thread, budget)
        model = loader.open(config)
        camera = Camera(source, policy)
        self.pipeline = Pipeline(
            [camera], model, self.thread, [self.sink], Task("s1", "m1"), self.counters, StageTimes(), budget
        )
        self.control = LiveControl(self.pipeline, loader, config, self.config, budget, self.models.append)
        self._running = threading.Thread(target=run_to_end, args=(self.pipeline, [self.sink], Deadline(1)))
        self._running.start()

    def config(self) -> RunConfig:
        return parse_config(RunConfig, self.settings, origin="test")

    def frames(self, more: int) -> None:
        """Wait until so many more frames were looked at."""
        before = len(self.sink.frames)
        assert wait_until(lambda: len(self.sink.frames) >= before + more)

    def at_rest(self) -> bool:
        """Whether no frame comes out for half a second."""
        before = len(self.sink.frames)
        time.sleep(0.5)
        return len(self.sink.frames) == before

    def paused(self) -> int:
        """Frames that were dropped in a pause."""
        return self.counters.snapshot().drops.get("paused", 0)

    def end(self) -> None:
        self.pipeline.stop()
        self._running.join(30)
        self.thread.call(self.pipeline.model.inference.close)
        self.thread.close()


@pytest.fixture
def live(bundle: Path) -> Iterator[Callable[..., Live]]:
    started: list[Live] = []

    def start(source: Source | None = None, policy: Policy = "every_frame", **settings: object) -> Live:
        started.append(Live(source or Endless(), policy, **{"bundle": bundle, **settings}))
        started[-1].frames(2)
        return started[-1]

    yield start
    for one in started:
        one.end()


def test_another_threshold_counts_from_the_next_frame_on(live: Callable[..., Live]) -> None:
    run = live()
    run.control.set_threshold(0.999999)
    run.frames(5)
    assert run.control.state().threshold == 0.999999
    found = len(run.sink.detections)
    run.frames(5)
    assert len(run.sink.detections) == found
    run.control.set_threshold(None)
    run.frames(5)
    assert run.sink.detections[-1].model.threshold == 0.5
    with pytest.raises(UsageError, match=r"threshold 1\.5"):
        run.control.set_threshold(1.5)


def test_pausing_drops_a_cameras_frames_and_makes_files_wait(live: Callable[..., Live]) -> None:
    camera, file = live(Cam(), "latest"), live()
    for run in (camera, file):
        run.control.pause()
        assert wait_until(run.at_rest)  # what was in flight has come out
        assert run.control.state().paused and run.counters.snapshot().paused
    in_pause_ns, dropped, done = time.monotonic_ns(), camera.paused(), len(camera.sink.frames)
    assert wait_until(lambda: camera.paused() > dropped + 5)
    for run in (camera, file):
        run.control.resume()
        run.frames(3)
    assert file.counters.snapshot().drops == {}
    first = min(f.captured_monotonic_ns for f in camera.sink.frames[done:])
    assert first > in_pause_ns  # not what waited through the pause
    sequences = [f.sequence for f in file.sink.frames]
    assert sequences == list(range(len(sequences)))


def test_a_snapshot_is_a_picture_of_the_newest_frame(live: Callable[..., Live]) -> None:
    run = live()
    picture = cv2.imdecode(np.frombuffer(run.control.snapshot(), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[1] == 96 * 8 and picture.std() > 5
    assert run.control.snapshot("front")
    with pytest.raises(SourceError, match="no camera 'rear'"):
        run.control.snapshot("rear")


def test_a_budget_can_be_set_in_mode_cascade_only(live: Callable[..., Live], tmp_path: Path) -> None:
    cascade = live(bundle=make_bundle(tmp_path / "cascade", roles=CASCADE_ROLES), mode="cascade", tile=16)
    counts = cascade.counters.snapshot()
    assert counts.tiles_refined == counts.tiles_proposed is not None
    cascade.control.set_budget(1)
    cascade.frames(10)
    counts = cascade.counters.snapshot()
    assert counts.tiles_proposed is not None and counts.tiles_refined is not None
    assert counts.tiles_refined < counts.tiles_proposed
    assert cascade.control.state().budget_ms == 1
    with pytest.raises(UsageError, match="1 ms or more"):
        cascade.control.set_budget(0)
    with pytest.raises(UsageError, match="a budget in mode 'fused'"):
        live().control.set_budget(20)


def test_the_mode_can_change_and_the_budget_with_it(live: Callable[..., Live], tmp_path: Path) -> None:
    run = live(bundle=make_bundle(tmp_path / "cascade", roles=CASCADE_ROLES))
    run.settings.update(mode="cascade", tile=16)
    run.control.reload()
    run.control.set_budget(500)
    assert run.control.state().budget_ms == 500
    run.frames(3)
    run.settings.update(mode=None, tile=None)
    run.control.reload()
    assert run.control.state().budget_ms is None
    run.frames(3)
    assert [stamp.mode for stamp in run.models] == ["cascade", "fused"]
    assert run.counters.snapshot().drops == {}


def test_what_a_command_has_set_outlives_a_reload_that_does_not_speak_of_it(live: Callable[..., Live]) -> None:
    run = live()
    run.control.set_threshold(0.9)
    run.control.reload()
    assert run.control.state().threshold == 0.9
    run.settings["threshold"] = 0.6
    run.control.reload()
    assert run.control.state().threshold == 0.6


def other_bundle(bundle: Path, folder: Path) -> Path:
    """The same graphs by another name: another bundle."""
    shutil.copytree(bundle, folder)
    document = json.loads((folder / MANIFEST_NAME).read_text())
    document["name"] = "another"
    (folder / MANIFEST_NAME).write_text(json.dumps(document))
    return folder


def test_another_bundle_takes_over_between_two_frames(live: Callable[..., Live], bundle: Path, tmp_path: Path) -> None:
    run = live()
    first = run.pipeline.model.stamp.bundle_id
    run.settings["bundle"] = other_bundle(bundle, tmp_path / "other")
    run.control.reload()
    second = run.control.state().bundle_id
    assert second != first and [stamp.bundle_id for stamp in run.models] == [second]
    run.frames(5)
    sequences = [f.sequence for f in run.sink.frames]
    assert sequences == list(range(len(sequences))) and run.counters.snapshot().drops == {}
    ids = [detection.model.bundle_id for detection in run.sink.detections]
    assert set(ids) == {first, second} and ids == sorted(ids, key=[first, second].index)


def test_a_bundle_that_was_replaced_in_its_place_is_seen(
    live: Callable[..., Live], bundle: Path, tmp_path: Path
) -> None:
    place = tmp_path / "active"
    place.symlink_to(bundle)
    run = live(bundle=place)
    (tmp_path / "new").symlink_to(other_bundle(bundle, tmp_path / "other"))
    (tmp_path / "new").replace(place)
    run.control.reload()
    assert run.control.state().bundle_id == load_bundle(place).id != load_bundle(bundle).id


def test_what_cannot_be_taken_over_changes_nothing(live: Callable[..., Live], bundle: Path, tmp_path: Path) -> None:
    run = live()
    before = run.control.state()
    for change, kind, found in (
        ({"min_length": 50, "serial": "other"}, ConfigError, "min_length, serial cannot change"),
        ({"bundle": tmp_path / "nowhere"}, BundleError, "is no bundle"),
        ({"mode": "cascade"}, BundleError, "cannot run in mode 'cascade'"),
        ({"threshold": 7}, ConfigError, "less than 1"),
        ({"budget_ms": 20}, UsageError, "a budget in mode 'fused'"),
    ):
        kept = dict(run.settings)
        run.settings.update(change)
        with pytest.raises(kind, match=found):
            run.control.reload()
        run.settings = kept
    assert run.control.state() == before and run.models == []
    run.frames(3)
    run.settings["threshold"] = 0.7  # and the next good one does
    run.control.reload()
    assert run.control.state().threshold == 0.7


def test_sighup_reads_the_file_again_without_a_lost_frame(bundle: Path, images: Path, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    lines = f"source: folder:{images}?fps=50&loop=true\nsink: 'jsonl:{tmp_path / 'x'}'\nthreads: 1\njson: true\n"
    path.write_text(f"bundle: {bundle}\n{lines}")
    process = start_run("--config", str(path))
    assert process.stdout is not None and process.stderr is not None
    log: list[str] = []
    refused = threading.Event()

    def listen(lines: Iterable[str]) -> None:
        for line in lines:
            log.append(line)
            if "not reloaded" in line:
                refused.set()

    listener = threading.Thread(target=listen, args=(process.stderr,), daemon=True)
    listener.start()

    def found() -> list[dict[str, object]]:
        lines = (tmp_path / "x").read_text().splitlines(keepends=True) if (tmp_path / "x").exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]  # the last may be half written

    assert wait_until(lambda: len(found()) > 10)
    other = other_bundle(bundle, tmp_path / "other")
    path.write_text(f"bundle: {other}\nthreshold: 0.55\n{lines}")
    process.send_signal(signal.SIGHUP)
    assert wait_until(lambda: found()[-1]["model"]["name"] == "another")  # type: ignore[index]
    path.write_text("bundle: nonsense: [\n")
    process.send_signal(signal.SIGHUP)
    assert refused.wait(20)
    seen = len(found())
    assert wait_until(lambda: len(found()) > seen + 10)
    process.send_signal(signal.SIGTERM)
    out, code = process.stdout.read(), process.wait(30)
    listener.join(30)
    err = "".join(log)
    assert code == 0, err
    assert "has taken over" in err and "the run goes on as it was" in err and "is no YAML" in err
    assert json.loads(out)["drops"].keys() <= {"stopped"}
    sequences = sorted({line["frame"]["sequence"] for line in found()})  # type: ignore[index]
    assert sequences == list(range(len(sequences)))
    assert found()[-1]["model"]["threshold"] == 0.55  # type: ignore[index]


def test_a_model_that_fails_before_it_takes_over_is_closed(
    live: Callable[..., Live], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, closed = live(), list[bool]()

    def open_bad(*args: Any, **kwargs: Any) -> Inference:
        inference = open_inference(*args, **kwargs)
        close = inference.close

        def fail(*_: object) -> None:
            raise EngineError("no memory for a frame")

        monkeypatch.setattr(inference, "run", fail)
        monkeypatch.setattr(inference, "close", lambda: closed.append(True) or close())
        return inference

    monkeypatch.setattr("edge_runtime.run.loading.open_inference", open_bad)
    run.settings["bundle"] = make_bundle(tmp_path / "other", roles=CASCADE_ROLES)
    before = run.control.state()
    with pytest.raises(EngineError, match="no memory for a frame"):
        run.control.reload()
    assert closed == [True] and run.control.state() == before


def test_an_update_takes_over_whatever_the_file_says_meanwhile(live: Callable[..., Live], tmp_path: Path) -> None:
    run = live()
    other = make_bundle(tmp_path / "other", roles=CASCADE_ROLES)
    run.settings |= {"sink": "jsonl:y", "threshold": 0.9}  # which a reload refuses
    with pytest.raises(ConfigError, match="sink cannot change"):
        run.control.reload()
    run.control.take_over(lambda config: config.model_copy(update={"bundle": other}))
    run.frames(3)
    assert run.control.state().bundle_id == load_bundle(other).id == run.models[-1].bundle_id
    assert run.control.config.bundle == other and run.control.state().threshold == 0.5
