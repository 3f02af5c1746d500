"""What runs is what the update machine says, or the run ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from edge_runtime.run.active_bundle import ActiveBundle
from edge_runtime.run.config import RunConfig
from edge_runtime.run.live_stream import LiveStream
from edge_runtime.updates.canary import Canary
from edge_runtime.updates.guardrails import CanaryConfig, ShadowConfig
from edge_runtime.updates.layout import Layout
from edge_runtime.updates.links import point
from edge_runtime.updates.shadow import Shadow
from edge_runtime.updates.trial.trial import Running
from fissura.bundle import load_bundle
from fissura.errors import FissuraError, RejectedError, UpdateError
from tests.bundles import CASCADE_ROLES, make_bundle
from tests.edge_runtime.run.test_live import Endless, Live
from tests.mosquitto import wait_until


class Stand:
    """A run at work, and the device's models."""

    def __init__(self, folder: Path, limit_s: float) -> None:
        self.layout = Layout(folder / "state")
        self.layout.make()
        self.factory = make_bundle(folder / "factory")
        self.seven = make_bundle(self.layout.release_bundle(7), roles=CASCADE_ROLES)
        self.live = Live(Endless(), "every_frame", bundle=self.factory)
        self.errors = list[FissuraError]()
        pipeline, counters = self.live.pipeline, self.live.counters

        def running() -> Running:
            return Running(self.live.control.config, None)

        self.stream = LiveStream(
            Shadow(ShadowConfig(), running, pipeline.tap, counters),
            Canary(CanaryConfig(silent_s=0.5), pipeline.tap, counters),
            self.live.control,
            ActiveBundle(self.layout, None, 1, self.live.config()),
            self.layout,
            nullcontext,
            self.errors.append,
            limit_s,
        )

    @property
    def runs(self) -> str:
        return self.live.pipeline.model.stamp.bundle_id


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    stand = Stand(tmp_path, limit_s=60)  # real engines open and warm up
    yield stand
    stand.live.end()


def test_it_follows_the_link_there_and_back(stand: Stand) -> None:
    stand.live.settings["threads"] = "what somebody is just writing"
    point(stand.layout, "active", 7)
    stand.stream.switch()
    assert stand.runs == load_bundle(stand.seven).id
    model = stand.live.pipeline.model
    stand.stream.follow(7)
    assert stand.live.pipeline.model is model  # it runs already
    stand.stream.follow(None)
    assert stand.runs == load_bundle(stand.factory).id and not stand.errors


def test_it_goes_back_to_what_a_reload_has_named(stand: Stand, tmp_path: Path) -> None:
    named = make_bundle(tmp_path / "named", roles=("segmentation", "fused"))
    stand.live.settings["bundle"] = named
    stand.live.control.reload()
    stand.stream.follow(7)
    stand.stream.follow(None)
    assert stand.runs == load_bundle(named).id and not stand.errors


def test_what_cannot_be_followed_ends_the_run(stand: Stand) -> None:
    stand.stream.follow(8)
    assert "release 8 cannot be taken over" in stand.errors[0].found
    with pytest.raises(FissuraError):
        point(stand.layout, "active", 8)
        stand.stream.switch()
    assert len(stand.errors) == 1  # the machine goes back


def test_an_engine_that_hangs_makes_nobody_wait(stand: Stand) -> None:
    freed = threading.Event()
    stand.stream._limit_s = 1.0
    stand.live.thread.start(freed.wait)
    try:
        point(stand.layout, "active", 7)
        began_s = time.monotonic()
        with pytest.raises(UpdateError, match=r"^hang: "):
            stand.stream.switch()
        stand.stream.follow(None)  # the run has not got so far as to leave it
        assert not stand.errors
        stand.stream.follow(7)
        assert len(stand.errors) == 1 and time.monotonic() - began_s < 20
    finally:
        freed.set()


def test_after_a_verdict_of_hanging_the_run_ends_at_once(stand: Stand) -> None:
    freed = threading.Event()
    point(stand.layout, "active", 7)
    stand.stream.switch()
    assert wait_until(lambda: stand.live.pipeline.tap.take(0.1) is not None)
    stand.live.thread.start(freed.wait)
    try:
        with pytest.raises(RejectedError, match=r"^hang: "):
            stand.stream.canary(threading.Event())
        stand.stream.follow(None)
        assert "the device's own bundle cannot be taken over" in stand.errors[0].found
    finally:
        freed.set()


def test_the_configuration_of_the_run_stays(stand: Stand) -> None:
    before: RunConfig = stand.live.control.config
    stand.stream.follow(7)
    assert stand.live.control.config == before.model_copy(update={"bundle": stand.seven})
