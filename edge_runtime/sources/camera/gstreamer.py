"""Frames that gst-launch-1.0 writes into a pipe: OpenCV's wheel has no GStreamer, and a Jetson's codecs need it."""

from __future__ import annotations

import ctypes
import fcntl
import os
import select
import shutil
import signal
import subprocess
from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_runtime.sources.camera.gst_pipeline import CHANNELS, FD
from edge_runtime.sources.camera.ring import Pixels
from fissura.errors import MissingDependencyError, SourceError

PIPE_BYTES = 1 << 20  # the most that Linux gives to any user; fewer, larger reads
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class GstreamerGrabber:
    """Runs a pipeline whose frames all have one size.

    Args:
        command: words of the command line, with `FD` in place of the descriptor that frames are written to.
        shape: (height, width, 4) of a frame, BGRx.
    """

    def __init__(self, command: Sequence[str], shape: Sequence[int]) -> None:
        self._shape = (shape[0], shape[1], shape[2])
        # Not stdout: a camera's driver may print there.
        self._pipe, writing = os.pipe()
        fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        try:
            self._process: subprocess.Popen[bytes] | None = subprocess.Popen(
                [word.replace(FD, str(writing)) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[writing],
                preexec_fn=_end_with_parent,  # started before this process has a second thread
            )
        except OSError:
            self._process = None
        os.close(writing)

    def open(self) -> None:
        if self._process is None:
            raise SourceError("gst-launch-1.0 cannot be started", fix="sudo apt-get install gstreamer1.0-tools")

    def grab(self) -> None:
        select.select([self._pipe], [], [])

    def retrieve(self, into: Pixels | None) -> Pixels | None:
        image = into if into is not None else np.empty(self._shape, np.uint8)
        left = image.data.cast("B")
        while left:
            count = os.readv(self._pipe, [left])
            if not count:
                raise SourceError("gst-launch-1.0 has ended")
            left = left[count:]
        return image


def _end_with_parent() -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def pipeline_settings(command: Sequence[str], width: int, height: int) -> dict[str, Any]:
    """Settings of a grabber, checked.

    Args:
        command: from `gst_pipeline`.
        width, height: of the frames that come out, pixels.

    Raises:
        MissingDependencyError: gst-launch-1.0 is not installed.
    """
    if shutil.which(command[0]) is None:
        raise MissingDependencyError(
            f"{command[0]} is not installed",
            fix="sudo apt-get install gstreamer1.0-tools gstreamer1.0-plugins-good gstreamer1.0-plugins-bad "
            "gstreamer1.0-libav",
        )
    return {"command": list(command), "shape": (height, width, CHANNELS)}
