"""Old and new on the same frames: the stream loses none, and what the new one does wrong is its own affair."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from edge_runtime.updates import shadow as shadow_module
from edge_runtime.updates.comparison import Comparison
from edge_runtime.updates.guardrails import ShadowConfig
from edge_runtime.updates.shadow import Shadow
from fissura.bundle import read_manifest
from fissura.errors import DeferredError, RejectedError
from tests.edge_runtime.proven import list_files, make_proven_bundle, set_steepness
from tests.edge_runtime.updates import harmful
from tests.edge_runtime.updates.device import Device, nothing
from tests.edge_runtime.updates.live import LiveRun, Road
from tests.edge_runtime.updates.signed_repository import SignedRepository
from tests.edge_runtime.updates.trial.test_trial import X86
from tests.mosquitto import wait_until

QUICK = {"frames": 12, "rich_frames": 3, "free_frames": 3, "time_share": 1.0, "memory_mb": 1500, "niceness": 0}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_proven_bundle(tmp_path_factory.mktemp("old") / "bundle", variants=())


@pytest.fixture
def candidate(tmp_path: Path) -> Path:
    return make_proven_bundle(tmp_path / "candidate", variants=())


@pytest.fixture
def live(bundle: Path) -> Iterator[LiveRun]:
    run = LiveRun(bundle, Road(glare=True))
    yield run
    run.end()


def compare(live: LiveRun, bundle: Path, stopping: threading.Event | None = None, **limits: object) -> dict[str, float]:
    config = ShadowConfig.model_validate({**QUICK, **limits})
    shadow = Shadow(config, live.running, live.pipeline.tap, live.counters)
    return dict(shadow.run(bundle, stopping or threading.Event()))


def test_a_model_like_the_old_one_passes_without_a_lost_frame(live: LiveRun, candidate: Path) -> None:
    figures = compare(live, candidate)
    assert figures["mask_iou"] == 1 and figures["psi"] == 0
    assert figures["frames"] >= 12 and figures["rich_frames"] >= 3 and figures["free_frames"] >= 3
    assert live.whole() and live.pipeline.model.stamp.bundle_id and not psutil.Process().children()


def test_a_model_that_finds_something_else_is_refused(live: LiveRun, candidate: Path) -> None:
    path = candidate / "segmentation.onnx"
    set_steepness(path, 0.5)  # everything is a bit of a crack
    manifest = read_manifest(candidate)
    graph = manifest.graphs["segmentation"].model_copy(update={"threshold": 0.48})
    list_files(candidate, manifest.model_copy(update={"graphs": {"segmentation": graph}}))
    with pytest.raises(RejectedError, match=r"^mask: "):
        compare(live, candidate)
    assert live.whole()


@pytest.mark.skipif(not X86, reason="no trap on this processor")
def test_a_model_that_crashes_on_a_frame_takes_only_itself_away(live: LiveRun, candidate: Path) -> None:
    harmful.crash_in_glare(candidate)
    with pytest.raises(RejectedError, match=r"^crash: .* SIGFPE"):
        compare(live, candidate, frames=100_000)
    done = len(live.sink.frames)
    assert wait_until(lambda: len(live.sink.frames) > done) and live.whole()


def test_a_model_that_gives_no_numbers_is_refused(live: LiveRun, candidate: Path) -> None:
    harmful.give_nan(candidate)
    with pytest.raises(RejectedError, match=r"^nan: "):
        compare(live, candidate, frames=100_000)


def test_it_goes_on_until_it_has_seen_roads_with_and_without_cracks(bundle: Path, candidate: Path) -> None:
    live = LiveRun(bundle)
    try:
        stopping, began_s = threading.Event(), time.monotonic()
        threading.Timer(2.5, stopping.set).start()
        assert compare(live, candidate, stopping, frames=1, rich_frames=100_000) == {}
        assert time.monotonic() - began_s >= 2.4
    finally:
        live.end()


def test_it_looks_up_now_and_then_and_goes_on_where_it_was(live: LiveRun, candidate: Path) -> None:
    """Or a device that sees no crack would miss every release to come."""
    limits = ShadowConfig.model_validate({**QUICK, "rich_frames": 100_000, "look_s": 2.5})
    shadow = Shadow(limits, live.running, live.pipeline.tap, live.counters)
    seen = []
    for _ in range(2):
        with pytest.raises(DeferredError, match=r"^shadow: \d+ frames, ") as raised:
            shadow.run(candidate, threading.Event())
        seen.append(int(raised.value.found.split()[1]))
    assert 0 < seen[0] < seen[1]
    assert not psutil.Process().children()


def test_a_device_in_shadow_takes_what_is_newer(
    make_device: Callable[..., Device], repository: SignedRepository
) -> None:
    device = make_device()

    def too_little() -> None:
        raise DeferredError("shadow: 3 frames so far")

    device.stream.on_shadow = too_little
    assert device.look() == "deferred" and device.active is None
    repository.give(8)
    device.stream.on_shadow = nothing
    assert device.look() == "committed" and device.active == 8


def test_a_slow_model_has_its_share_of_the_time_and_no_more(live: LiveRun, candidate: Path) -> None:
    harmful.take_long(candidate, 30_000)
    began_s = time.monotonic()
    figures = compare(live, candidate, frames=8, rich_frames=0, free_frames=0, time_share=0.25)
    share = figures["frames"] * figures["shadow_ms"] / 1e3 / (time.monotonic() - began_s)
    assert figures["shadow_ms"] > 20 and share < 0.3
    assert live.whole()


def note_frames(monkeypatch: pytest.MonkeyPatch, pause_s: float = 0.0) -> list[float]:
    """From now on, the moments at which frames are compared, each of which takes so much longer."""
    add, began_s = Comparison.add, list[float]()

    def noted(self: Comparison, old: NDArray[np.float32], new: NDArray[np.float32]) -> None:
        began_s.append(time.monotonic())
        time.sleep(pause_s)
        add(self, old, new)

    monkeypatch.setattr(Comparison, "add", noted)
    return began_s


def test_the_time_that_comparing_takes_is_the_shadows_too(
    live: LiveRun, candidate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began_s = note_frames(monkeypatch, 0.2)
    compare(live, candidate, frames=5, rich_frames=0, free_frames=0, time_share=0.25)
    assert began_s[-1] - began_s[0] > 4 * 0.8


@pytest.mark.slow
def test_it_stands_back_while_the_stream_loses_frames(
    live: LiveRun, candidate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadow_module, "STAND_BACK_S", 1.0)
    began_s, enough = note_frames(monkeypatch), threading.Event()

    def lose() -> None:
        while not enough.wait(0.01):
            live.counters.dropped("superseded")

    def took_s() -> float:
        """Without the start of the process, which takes as long as it takes."""
        began_s.clear()
        compare(live, candidate, frames=5, rich_frames=0, free_frames=0)
        return began_s[-1] - began_s[0]

    alone_s = took_s()
    thread = threading.Timer(0.3, lose)
    thread.start()
    try:
        assert took_s() > alone_s + 1.5
    finally:
        enough.set()
        thread.join()


def test_what_the_stream_loses_anyway_does_not_hold_it_up(
    live: LiveRun, candidate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shadow_module, "STAND_BACK_S", 60.0)
    live.counters.dropped("superseded", 1_000_000)
    live.counters.dropped("superseded", 1)
    assert compare(live, candidate, frames=3, rich_frames=0, free_frames=0)["frames"] == 3


def test_none_is_held_where_it_is_switched_off(live: LiveRun, tmp_path: Path) -> None:
    assert compare(live, tmp_path / "nowhere", frames=0) == {}
