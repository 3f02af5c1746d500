"""A disk that fails says nothing about a model, and keeps no bad model at work."""

from __future__ import annotations

import errno
from collections.abc import Callable
from datetime import timedelta

import pytest

from edge_runtime.updates import installation
from edge_runtime.updates.journal import Journal
from edge_runtime.updates.state import StateFile
from fissura.errors import DeferredError, RejectedError
from tests.edge_runtime.updates.device import Device, Kill, raising
from tests.edge_runtime.updates.signed_repository import SignedRepository

FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def device(make_device: Callable[..., Device], repository: SignedRepository) -> Device:
    """Runs 7; the channel gives 8."""
    device = make_device(attempts=3, retry_s=3600)
    device.look()
    repository.give(8)
    return device


def full(*_: object) -> None:
    raise FULL


def test_errors_of_the_disk_in_canary_condemn_nothing(device: Device) -> None:
    device.stream.on_canary = full
    for _ in range(8):
        assert device.look() == "deferred"
        assert device.check_active() == 7
    state = Journal(device.layout).state
    assert state.reason is not None and state.reason.startswith("disk:")
    assert (state.cuts, state.attempts, state.quarantined) == (0, 3, {})  # and after three tries it is left alone
    device.stream.on_canary = lambda: None
    device.clock.ahead = timedelta(hours=2)
    assert device.look() == "committed"


def test_nor_do_they_where_not_even_that_can_be_written(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(6):
        with monkeypatch.context() as patch:
            device.stream.on_canary = lambda patch=patch: (patch.setattr(StateFile, "save", full), full())
            with pytest.raises(DeferredError, match="disk"):
                device.look()
        assert device.check_active() == 7
    device.stream.on_canary = lambda: None
    assert device.look() == "committed"


def test_nor_where_not_even_the_link_can_be_put_back(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(6):
        with monkeypatch.context() as patch:

            def fail(patch: pytest.MonkeyPatch = patch) -> None:
                patch.setattr(StateFile, "save", full)
                patch.setattr(installation, "exchange_back", full)
                full()

            device.stream.on_canary = fail
            with pytest.raises(DeferredError, match="disk"):
                device.look()
        assert (device.active, device.stream.running) == (8, 7)
    device.stream.on_canary = lambda: None
    assert device.look() == "committed"


def test_a_process_that_dies_when_the_old_model_is_back_condemns_nothing(
    device: Device, monkeypatch: pytest.MonkeyPatch, new_process: Callable[[], None]
) -> None:
    with monkeypatch.context() as patch:
        device.stream.on_canary = lambda: (patch.setattr(StateFile, "save", full), full())
        with pytest.raises(DeferredError, match="disk"):
            device.look()
    new_process()
    assert device.boot() == device.layout.release_bundle(7)
    device.stream.on_canary = lambda: None
    assert device.look() == "committed"


def test_a_verdict_outlives_a_cut_of_the_start_that_gives_it(
    device: Device, monkeypatch: pytest.MonkeyPatch, new_process: Callable[[], None]
) -> None:
    device.stream.on_canary = raising(Kill())
    with pytest.raises(Kill):
        device.look()
    new_process()
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "end", lambda *_, **__: raising(Kill())())  # the link is back by then
        with pytest.raises(Kill):
            device.boot()
    assert device.active == 7
    new_process()
    device.boot()
    device.look()
    assert device.events.ends[-1] == ("rolled_back", 8)


def test_a_bad_model_is_left_though_the_link_cannot_be_written(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    device.stream.on_canary = raising(RejectedError("nan: x"))
    with monkeypatch.context() as patch:
        patch.setattr(installation, "exchange_back", full)
        with pytest.raises(DeferredError, match="disk"):
            device.look()
    assert (device.active, device.stream.running) == (8, 7)
    device.stream.on_canary = lambda: None
    assert device.look() == "rolled_back"  # the verdict was written, and the link is now
    assert device.check_active() == 7
    assert device.events.last is not None and device.events.last.reason == "nan: x"


def test_a_start_on_that_disk_does_not_open_the_bad_model(
    device: Device, monkeypatch: pytest.MonkeyPatch, new_process: Callable[[], None]
) -> None:
    device.stream.on_canary = raising(RejectedError("nan: x"))
    monkeypatch.setattr(installation, "exchange_back", full)
    monkeypatch.setattr("edge_runtime.updates.recovery.exchange_back", full)
    with pytest.raises(DeferredError, match="disk"):
        device.look()
    new_process()
    assert device.active == 8
    assert device.boot() == device.layout.release_bundle(7)
