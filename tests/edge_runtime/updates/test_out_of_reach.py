"""Who keeps the repository away keeps no check away."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from edge_runtime.updates.layout import Layout
from edge_runtime.updates.state import StateFile
from fissura.errors import DeferredError, RepositoryError
from tests.edge_runtime.updates.device import Device, raising
from tests.edge_runtime.updates.signed_repository import SignedRepository
from tests.edge_runtime.updates.web_server import Answer, WebServer

MakeDevice = Callable[..., Device]


@pytest.fixture
def begun(make_device: MakeDevice, server: WebServer) -> Device:
    """Has fetched and tested release 7; now the repository is out of reach."""
    device = make_device()
    device.stream.on_shadow = raising(DeferredError("shadow: 1 frame"))
    assert device.look() == "deferred"
    server.fault = lambda path, answer: Answer(503, b"")
    return device


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"min_release": 8}, "min_release"),
        ({"model": "potholes"}, "model"),
        ({"download": {"largest_bytes": 10_000}}, "size"),
    ],
)
def test_what_the_application_forbids_by_now_does_not_go_on(
    begun: Device, make_device: MakeDevice, settings: dict[str, object], word: str
) -> None:
    device = make_device(**settings)
    assert device.look() == "rejected"
    assert device.check_active() is None
    assert device.events.last is not None and str(device.events.last.reason).startswith(f"{word}:")
    assert device.events.last.quarantined == ()  # another application may take it


def test_another_device_does_not_go_on(
    make_device: MakeDevice, repository: SignedRepository, server: WebServer
) -> None:
    repository.publish(make_device("other").factory, 9, hardware=("jetson-orin-nano",))
    repository.give(9)
    device = make_device()
    device.stream.on_shadow = raising(DeferredError("shadow: 1 frame"))
    device.look()
    server.fault = lambda path, answer: Answer(503, b"")
    device = make_device(hardware="jetson-xavier")  # the disk was put into it
    assert device.look() == "rejected"
    assert str(device.events.told[-1][1].reason).startswith("hardware:")


def test_what_has_expired_does_not_go_on(begun: Device, server: WebServer) -> None:
    begun.boot()
    begun.clock.ahead = timedelta(days=29)
    begun.stream.on_shadow = raising(DeferredError("shadow: 2 frames"))
    assert begun.look() == "deferred"
    begun.clock.ahead = timedelta(days=31)
    begun.stream.on_shadow = lambda: None
    with pytest.raises(RepositoryError, match="expired: the repository is out of reach"):
        begun.look()
    assert begun.check_active() is None
    begun.clock.ahead = timedelta()
    assert begun.look() == "committed"


def test_what_is_quarantined_does_not_go_on(begun: Device, make_device: MakeDevice) -> None:
    layout = Layout(begun.config.state)
    file = StateFile(layout.state)
    state = file.load()
    assert state is not None
    file.save(state.model_copy(update={"quarantined": {7: "boots: three starts"}}))
    device = make_device()
    assert device.look() == "rejected"
    assert device.check_active() is None


def test_what_is_left_alone_for_a_while_is_left_alone(begun: Device, make_device: MakeDevice) -> None:
    file = StateFile(begun.layout.state)
    state = file.load()
    assert state is not None
    file.save(state.model_copy(update={"retry_utc": begun.clock.now_utc() + timedelta(hours=1)}))
    device = make_device()
    assert device.look() == "deferred"
    device.clock.ahead = timedelta(hours=2)
    assert device.look() == "committed"
