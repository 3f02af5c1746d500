from __future__ import annotations

import pytest

from edge_runtime.updates.journal import Journal
from edge_runtime.updates.lock import locked
from edge_runtime.updates.taking_back import take_back
from fissura.errors import UpdateError
from tests.edge_runtime.updates.device import Device
from tests.edge_runtime.updates.signed_repository import SignedRepository


def test_a_supervisor_goes_back_step_by_step_and_the_operator_hears_of_it(
    device: Device, repository: SignedRepository
) -> None:
    for number in (7, 8):
        repository.give(number)
        device.look()
    assert take_back(device.layout, "crash: three starts without a frame") == 8
    assert device.boot() == device.layout.release_bundle(7)
    assert device.look() == "rolled_back"  # and does not install it again
    assert device.check_active() == 7
    assert device.events.ends[-1] == ("rolled_back", 8)
    assert device.events.last is not None
    assert (device.events.last.reason, device.events.last.quarantined) == ("crash: three starts without a frame", (8,))
    assert take_back(device.layout, "crash: three starts without a frame") == 7
    assert device.boot() == device.factory
    assert take_back(device.layout, "crash: it is not the model") is None


def test_it_keeps_out_while_another_is_at_work(device: Device) -> None:
    device.look()
    with locked(device.layout), pytest.raises(UpdateError, match="in use"):
        take_back(device.layout, "crash: ...")
    assert device.active == 7


def test_the_state_of_another_time_is_read(device: Device) -> None:
    device.layout.make()
    device.layout.state.write_text('{"schema_version": "1.9", "phase": "idle", "novelty": 1, "committed": 8}')
    assert Journal(device.layout).state.committed == 8
    assert device.look() == "rejected"  # 7 is older
