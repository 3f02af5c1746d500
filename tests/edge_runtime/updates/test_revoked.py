from __future__ import annotations

from edge_runtime.updates.journal import Journal
from edge_runtime.updates.taking_back import take_back
from fissura.errors import RejectedError
from tests.edge_runtime.updates.device import Device, raising
from tests.edge_runtime.updates.signed_repository import SignedRepository, plain_bundle


def test_a_release_that_was_left_and_is_revoked_later_does_not_hold_a_device_up(
    device: Device, repository: SignedRepository
) -> None:
    """8 did well for a while, and then did not start any more."""
    repository.give(8)
    device.look()
    take_back(device.layout, "boots: three starts")
    assert device.boot() == device.factory
    repository.give(7)
    assert device.look() == "rejected"  # a step back, as long as nobody says that it has to be
    repository.give(7, revoked=(8,))
    assert device.look() == "committed"
    assert device.check_active() == 7
    assert (
        Journal(device.layout).state.committed == 7
    )  # else 7's successors below 8 were steps back, once 8 is forgotten


def test_what_is_not_revoked_holds_still(device: Device, repository: SignedRepository) -> None:
    repository.publish(plain_bundle(repository.folder.parent / "bundle-6", 6), 6)
    repository.give(7)
    device.look()
    repository.give(8)
    device.stream.on_canary = raising(RejectedError("latency: 90 ms"))
    device.look()
    repository.give(6, revoked=(8,))
    assert device.look() == "rejected"
    assert device.check_active() == 7


def test_a_revoked_release_is_nothing_to_go_back_to(device: Device, repository: SignedRepository) -> None:
    for number in (7, 8):
        repository.give(number)
        device.look()
    repository.give(8, revoked=(7,))
    device.look()
    assert (device.check_active(), device.layout.number("previous")) == (8, None)
    assert not device.layout.release(7).exists()
    with (device.layout.release_bundle(8) / "segmentation.onnx").open("r+b") as file:
        file.write(b"rotten")
    assert device.boot() == device.factory


def test_a_revoked_release_that_is_replaced_is_nothing_to_go_back_to(
    device: Device, repository: SignedRepository
) -> None:
    for number in (7, 8):
        repository.give(number)
        device.look()
    repository.publish(plain_bundle(repository.folder.parent / "bundle-6", 6), 6)
    repository.give(6, revoked=(7, 8))
    assert device.look() == "committed"
    assert (device.check_active(), device.layout.number("previous")) == (6, None)
