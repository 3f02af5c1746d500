"""Disks that are really full: a file system of a few megabytes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fissura.errors import DeferredError
from tests.edge_runtime.updates.device import Device
from tests.edge_runtime.updates.signed_repository import SignedRepository, plain_bundle
from tests.edge_runtime.updates.web_server import Answer, WebServer
from tests.small_disk import small_disk

DISK_BYTES = 2 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", DISK_BYTES) as folder:
        yield folder


@pytest.fixture
def device(disk: Path, make_device: Callable[..., Device]) -> Device:
    device = make_device("disk/device", download={"margin_bytes": 100_000})
    device.look()
    return device


def give_large(repository: SignedRepository, size_bytes: int) -> None:
    repository.publish(plain_bundle(repository.folder.parent / "bundle-9", 9, size_bytes=size_bytes), 9)
    repository.give(9)


def fill(disk: Path) -> Path:
    """Leave no byte."""
    path = disk / "video.mp4"
    with path.open("wb", buffering=0) as file:
        for size in (4096, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
    return path


def test_a_release_that_does_not_fit_is_not_begun(
    device: Device, repository: SignedRepository, server: WebServer
) -> None:
    give_large(repository, DISK_BYTES - 100_000)
    asked = len(server.targets_asked())
    assert device.look() == "deferred"
    assert device.events.last is not None and device.events.last.reason is not None
    assert device.events.last.reason.startswith("disk:")
    assert len(server.targets_asked()) == asked
    assert device.check_active() == 7


def test_a_disk_that_fills_up_meanwhile_leaves_the_old_model_and_goes_on_later(
    device: Device, disk: Path, repository: SignedRepository, server: WebServer
) -> None:
    give_large(repository, 500_000)
    filled: list[Path] = []

    def fault(path: str, answer: Answer) -> Answer:
        if path.endswith(".onnx") and not filled:
            filled.append(fill(disk))
        return answer

    server.fault = fault
    with pytest.raises(DeferredError, match="disk"):
        device.look()
    for _ in range(2):  # restarts on a full disk
        assert device.boot() == device.layout.release_bundle(7)
        with pytest.raises(DeferredError, match="disk"):
            device.look()
        assert device.check_active() == 7
    filled[0].unlink()
    assert device.look() == "committed"
    assert device.check_active() == 9


def test_a_disk_that_fills_up_in_canary_leaves_the_old_model(
    device: Device, disk: Path, repository: SignedRepository
) -> None:
    repository.give(8)
    device.stream.on_canary = lambda: filled.append(fill(disk))
    filled: list[Path] = []
    with pytest.raises(DeferredError, match="disk"):
        device.look()
    assert device.check_active() == 7
    assert device.boot() == device.layout.release_bundle(7)
    filled[0].unlink()
    assert device.look() == "committed"
    assert device.check_active() == 8


def test_a_disk_that_has_become_read_only_keeps_nothing_from_starting(
    device: Device, disk: Path, repository: SignedRepository
) -> None:
    repository.give(8)
    device.stream.on_canary = kill
    with pytest.raises(KeyboardInterrupt):
        device.look()
    assert device.active == 8
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert device.boot() == device.layout.release_bundle(7)  # 8 was never proved
    with pytest.raises(DeferredError, match="disk"):
        device.look()


def kill() -> None:
    raise KeyboardInterrupt
