"""Without its memory, a device runs what has proved itself, and lets the rest prove itself again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edge_runtime.updates.journal import Journal
from fissura.errors import DeferredError, RejectedError
from tests.edge_runtime.updates.device import Device, Kill, raising
from tests.edge_runtime.updates.signed_repository import SignedRepository

NEWER = '{"schema_version": "9.0"}'


@pytest.fixture
def device(device: Device, repository: SignedRepository) -> Device:
    """Runs 7; the channel gives 8."""
    device.look()
    repository.give(8)
    return device


def test_a_canary_whose_state_is_lost_is_not_committed(device: Device, new_process: Callable[[], None]) -> None:
    device.stream.on_canary = raising(Kill())
    with pytest.raises(Kill):
        device.look()
    device.layout.state.write_bytes(bytes(100))  # what some file systems make of a power cut
    new_process()
    assert device.boot() == device.layout.release_bundle(7)
    state = Journal(device.layout).state
    assert (state.phase, state.release, state.committed, state.quarantined) == ("deferred", 8, 7, {})
    device.stream.on_canary = raising(RejectedError("nan: x"))
    assert device.look() == "rolled_back"
    assert device.check_active() == 7


@pytest.mark.parametrize("lost", [True, False])
def test_what_ran_goes_through_its_canary_again(device: Device, lost: bool) -> None:
    device.look()
    if lost:
        device.layout.state.unlink()
    else:
        device.layout.state.write_text(NEWER)
    assert device.boot() == device.layout.release_bundle(7)
    assert device.look() == "committed"
    assert device.check_active() == 8 and Journal(device.layout).state.committed == 8
    assert len(device.trial.bundles) == 2  # not a third time: active is what has done its shadow
    assert lost or device.layout.state.with_name("state.json.unreadable").read_text() == NEWER


def test_a_state_that_cannot_be_read_now_is_not_forgotten(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    device.trial.act = raising(RejectedError("golden: worse"))
    assert device.look() == "rejected"
    before, read_bytes = device.layout.state.read_bytes(), Path.read_bytes

    def too_many_files(path: Path) -> bytes:
        if path == device.layout.state:
            raise OSError(24, "Too many open files")
        return read_bytes(path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", too_many_files)
        with pytest.raises(DeferredError, match=r"disk: .*Too many"):
            device.look()
        assert device.boot() == device.layout.release_bundle(7)
    assert device.layout.state.read_bytes() == before
    assert not list(device.layout.root.glob("*.unreadable"))
    assert device.look() == "rejected"
    assert device.events.last is not None and device.events.last.quarantined == (8,)
