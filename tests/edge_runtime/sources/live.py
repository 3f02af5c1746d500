"""What tests of live cameras share."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import psutil

from edge_runtime.frame import Frame
from edge_runtime.sources import open_source
from edge_runtime.sources.camera.source import CameraSource
from fissura.errors import ImageError
from tests.mosquitto import wait_until

LIMIT_S = 60.0


def opened(uri: str) -> CameraSource:
    source = open_source(uri)
    assert isinstance(source, CameraSource)
    return source


def frames(source: CameraSource, count: int, limit_s: float = LIMIT_S) -> list[Frame]:
    """So many frames, however long they take."""
    got: list[Frame] = []
    deadline = time.monotonic() + limit_s
    while len(got) < count:
        assert time.monotonic() < deadline, f"{len(got)} of {count} frames, lost: {source.losses}"
        if isinstance(item := source.read(), Frame):
            got.append(item)
    return got


def read_until(source: CameraSource, condition: Callable[[], bool]) -> None:
    """Read until a condition holds; damaged frames are passed over."""

    def holds() -> bool:
        with suppress(ImageError):
            source.read()
        return condition()

    assert wait_until(holds, LIMIT_S), f"lost: {source.losses}"


def child_of(source: CameraSource) -> psutil.Process:
    """Its reader process."""
    (child,) = [
        process for process in psutil.Process().children() if "edge_runtime.sources.camera.child" in process.cmdline()
    ]
    return child


def gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # in between
        return True
