"""The reader process: ``python -m edge_runtime.sources.camera.child CHANNEL_FD MEMORY_FD``.

What to read comes over the channel and not as an argument, for an address may hold a password. It ends with the run
that started it, however that one ends: the channel then closes.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
import time

from edge_runtime.plugins import load_class
from edge_runtime.sources.camera.freeze import FreezeWatch
from edge_runtime.sources.camera.grabber import GRABBERS, Grabber
from edge_runtime.sources.camera.outbox import Outbox
from edge_runtime.sources.camera.ring import RingWriter
from fissura.errors import SourceError

LONGEST_ORDER = 65536


def main(channel_fd: int, memory_fd: int) -> None:
    """Read one camera until it fails or the run is gone."""
    channel = socket.socket(fileno=channel_fd)
    order = json.loads(channel.recv(LONGEST_ORDER))
    outbox = Outbox(channel, RingWriter(memory_fd))
    grabber: Grabber = load_class(GRABBERS[order["grabber"]])(**order["settings"])
    threading.Thread(target=_serve, args=(outbox,), name="serve", daemon=True).start()
    cause = "refused"
    try:
        grabber.open()
        cause = "ended"
        _read_until_frozen(grabber, outbox, FreezeWatch(order["frozen_s"]))
        cause, error = "frozen", SourceError("the picture is frozen: its frames are identical to the last bit")
    except SourceError as failure:
        error = failure
    outbox.fail(cause, error)


def _serve(outbox: Outbox) -> None:
    try:
        outbox.serve()
    finally:
        # The group is this process and what it started. The other thread may hang in a driver: no orderly end.
        os.killpg(0, signal.SIGKILL)


def _read_until_frozen(grabber: Grabber, outbox: Outbox, watch: FreezeWatch) -> None:
    shape: tuple[int, ...] | None = None
    frozen = False
    while not frozen:
        grabber.grab()
        monotonic_ns, utc_ns = time.monotonic_ns(), time.time_ns()
        place = None if shape is None else outbox.place(shape)
        image = grabber.retrieve(place)
        if image is None:
            outbox.unreadable()
            continue
        if place is None or image is not place:
            shape = image.shape
            place = outbox.place(shape)
            place[...] = image
        frozen = watch.is_frozen(place, time.monotonic())
        outbox.put(place, monotonic_ns, utc_ns)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
