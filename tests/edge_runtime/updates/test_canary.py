"""A new model's first frames at work: what does harm is sent back for what it did."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from edge_runtime.counters import Counters
from edge_runtime.model import Model
from edge_runtime.tap import Finished, Tap
from edge_runtime.updates.canary import Canary, HangError
from edge_runtime.updates.guardrails import CanaryConfig
from edge_runtime.updates.losses import Losses
from fissura.errors import RejectedError
from tests.edge_runtime.hardware.trees import jetson
from tests.edge_runtime.proven import make_proven_bundle
from tests.edge_runtime.updates import harmful
from tests.edge_runtime.updates.live import LiveRun, Road
from tests.mosquitto import wait_until

QUICK = {"frames": 40, "time_s": 0.5, "slower": None}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_proven_bundle(tmp_path_factory.mktemp("old") / "bundle", variants=())


@pytest.fixture
def candidate(tmp_path: Path) -> Path:
    return make_proven_bundle(tmp_path / "candidate", variants=())


@pytest.fixture
def live(bundle: Path) -> Iterator[LiveRun]:
    run = LiveRun(bundle, Road(glare=True))
    assert wait_until(lambda: len(run.sink.frames) > 35)
    yield run
    run.end()


def watch(live: LiveRun, bundle: Path, **limits: object) -> dict[str, float]:
    canary = Canary(CanaryConfig.model_validate({**QUICK, **limits}), live.pipeline.tap, live.counters)
    canary.switching(lambda: live.use(bundle))
    return dict(canary.watch(threading.Event()))


def test_a_good_model_stays_and_no_frame_is_lost(live: LiveRun, candidate: Path) -> None:
    figures = watch(live, candidate)
    assert figures["frames"] >= 40 and figures["failed"] == 0 and figures["dropped"] == 0
    assert 0 < figures["p50_ms"] <= figures["p99_ms"] and figures["memory_mb"] > 10
    assert live.whole()


def test_a_model_beyond_the_budget_goes_back_early(live: LiveRun, candidate: Path) -> None:
    harmful.take_long(candidate, 30_000)
    with pytest.raises(RejectedError, match=r"^latency: "):
        watch(live, candidate, p99_ms=15, frames=100_000)


def test_a_model_that_is_much_slower_than_the_old_one_goes_back(live: LiveRun, candidate: Path) -> None:
    harmful.take_long(candidate, 120_000)  # by far: one interrupted frame of the old model is its 99th percentile
    with pytest.raises(RejectedError, match=r"^latency: "):
        watch(live, candidate, slower=2.0, frames=25)


def test_a_road_with_more_cracks_is_no_slower_model() -> None:
    tap, finished = Tap(), threading.Event()
    canary = Canary(CanaryConfig(frames=40, time_s=0, slower=2.0), tap, Counters())

    def drive(milliseconds: float, engine_ms: float) -> None:
        while not finished.wait(0.005):
            image, found = np.zeros((2, 2, 3), np.uint8), np.random.default_rng().random((2, 2), np.float32)
            tap.put(Finished(image, found, cast(Model, None), time.perf_counter_ns(), milliseconds, engine_ms))

    def frames(milliseconds: float, engine_ms: float) -> threading.Thread:
        finished.clear()
        thread = threading.Thread(target=drive, args=(milliseconds, engine_ms))
        thread.start()
        return thread

    for after_ms, slow in ((90.0, False), (130.0, True)):
        before = frames(30.0, 20.0)
        assert wait_until(lambda: len(tap.milliseconds()) > 100)
        finished.set()
        before.join()
        canary.switching(lambda: None)
        after = frames(after_ms, 50.0 if slow else 21.0)
        try:
            if slow:
                with pytest.raises(RejectedError, match=r"^latency: .* in the engine"):
                    canary.watch(threading.Event())
            else:
                assert canary.watch(threading.Event())["p99_ms"] == 90.0
        finally:
            finished.set()
            after.join()


def test_a_model_that_gives_no_numbers_goes_back(live: LiveRun, candidate: Path) -> None:
    harmful.give_nan(candidate)
    with pytest.raises(RejectedError, match=r"^nan: "):
        watch(live, candidate, frames=100_000)


def test_a_model_that_fails_on_a_frame_goes_back(live: LiveRun, candidate: Path) -> None:
    harmful.fail_in_glare(candidate)
    with pytest.raises(RejectedError, match=r"^failed: "):
        watch(live, candidate, frames=100_000)


def test_memory_is_watched(live: LiveRun, candidate: Path) -> None:
    with pytest.raises(RejectedError, match=r"^memory: "):
        watch(live, candidate, memory_mb=1)


def test_heat_is_watched(tmp_path: Path) -> None:
    canary = Canary(CanaryConfig(hottest_c=50), Tap(), Counters(), jetson(tmp_path))
    canary.switching(lambda: None)
    with pytest.raises(RejectedError, match=r"^heat: .* 52"):
        canary.watch(threading.Event())


def test_lost_frames_are_counted_from_the_switch_on(live: LiveRun, candidate: Path) -> None:
    limits = CanaryConfig.model_validate(QUICK)
    canary = Canary(limits, live.pipeline.tap, live.counters)
    canary.switching(lambda: live.use(candidate))
    live.counters.dropped("superseded", 30)
    live.counters.dropped("paused", 1000)  # somebody wanted that
    live.counters.dropped("unreadable", 1000)  # a bad cable
    assert Losses(live.counters, from_start=True).share() < 0.9
    with pytest.raises(RejectedError, match=r"^dropped: "):
        canary.watch(threading.Event())


def test_a_model_that_hangs_goes_back() -> None:
    counters = Counters(["front"])
    counters.frame_arrived("front")
    counters.frame_done(0, "front")
    canary = Canary(CanaryConfig(silent_s=0.5), Tap(), counters)
    canary.switching(lambda: None)
    threading.Timer(0.2, counters.frame_arrived, ("front",)).start()
    with pytest.raises(HangError, match=r"^hang: "):
        canary.watch(threading.Event())


@pytest.mark.parametrize("pauses", [False, True])
def test_a_frame_after_a_long_silence_has_its_time(*, pauses: bool) -> None:
    counters, stopping = Counters(["front"]), threading.Event()
    counters.frame_arrived("front")
    counters.frame_done(0, "front")
    canary = Canary(CanaryConfig(silent_s=4), Tap(), counters)
    canary.switching(lambda: None)

    def drive() -> None:
        counters.paused(pauses)
        time.sleep(5)
        counters.paused(False)
        for _ in range(2):
            counters.frame_arrived("front")
            time.sleep(0.5)
            counters.frame_done(0, "front")
        stopping.set()

    threading.Thread(target=drive).start()
    assert canary.watch(stopping) == {}


def test_a_camera_that_gives_nothing_is_waited_for() -> None:
    counters = Counters(["front"])
    counters.frame_arrived("front")
    counters.frame_done(0, "front")
    canary, stopping = Canary(CanaryConfig(silent_s=0.1), Tap(), counters), threading.Event()
    canary.switching(lambda: None)
    threading.Timer(1, stopping.set).start()
    assert canary.watch(stopping) == {}
