"""Who changes bytes on the way can hold a release up, but not for good."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from edge_runtime.updates.journal import Journal
from fissura.release import Release, release_target
from tests.edge_runtime.updates.device import Device
from tests.edge_runtime.updates.signed_repository import MODEL, SignedRepository
from tests.edge_runtime.updates.web_server import Answer, WebServer


def alter(path: str, answer: Answer) -> Answer:
    if path.endswith(".onnx"):
        answer.body = bytes(len(answer.body))
    return answer


def test_bytes_that_were_changed_on_the_way_are_asked_for_again_later(
    make_device: Callable[..., Device], server: WebServer
) -> None:
    device = make_device(retry_s=3600)
    server.fault = alter
    assert device.look() == "quarantined"
    assert str(device.events.told[-1][1].reason).startswith("tampered:")
    asked = len(server.targets_asked())
    assert device.look() == "quarantined"
    device.boot()
    assert device.look() == "quarantined"
    assert len(server.targets_asked()) == asked  # not with every look
    assert device.events.ends == [("quarantined", 7)]  # and told once
    server.fault = None
    device.clock.ahead = timedelta(hours=2)
    assert device.look() == "committed"
    assert Journal(device.layout).state.retry_utc is None


def test_another_release_does_not_wait_for_it(
    make_device: Callable[..., Device], repository: SignedRepository, server: WebServer
) -> None:
    device = make_device(retry_s=3600)
    server.fault = alter
    device.look()
    server.fault = None
    repository.give(8)
    assert device.look() == "committed"


def test_signatures_that_contradict_each_other_are_not_asked_again(
    device: Device, repository: SignedRepository
) -> None:
    name = release_target(MODEL, 7)
    release = Release.model_validate_json(repository.target_path(name).read_bytes())
    wrong = [
        file.model_copy(update={"sha256": "0" * 64}) if file.path.endswith(".onnx") else file for file in release.files
    ]
    repository.add(name, release.model_copy(update={"files": tuple(wrong)}).to_json())
    repository.sign()
    assert device.look() == "quarantined"
    assert device.events.last is not None and device.events.last.quarantined == (7,)
    device.clock.ahead = timedelta(days=3)
    assert device.look() == "quarantined"
