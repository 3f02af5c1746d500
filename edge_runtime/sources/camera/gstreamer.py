"""Frames that gst-launch-1.0 writes into a pipe: OpenCV's wheel has no GStreamer, and a Jetson's codecs need it."""

from __future__ import annotations

import ctypes
import fcntl
import logging
import os
import select
import shutil
import signal
import subprocess
from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_runtime.sources.camera.gst_pipeline import CHANNELS, FD, elements_of
from edge_runtime.sources.camera.ring import Pixels
from fissura.errors import MissingDependencyError, SourceError

logger = logging.getLogger(__name__)

PIPE_BYTES = 1 << 20  # the most that Linux gives to any user; fewer, larger reads
INSPECT = "gst-inspect-1.0"
INSPECT_S = 60.0  # the first look of all at a slow machine's plugins takes a while
PACKAGES = (
    "gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav"
)
JETPACK_PACKAGE = "nvidia-l4t-gstreamer"
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
        MissingDependencyError: gst-launch-1.0, or an element of the command, is not installed.
    """
    for program in (command[0], INSPECT):
        if shutil.which(program) is None:
            raise MissingDependencyError(f"{program} is not installed", fix=f"sudo apt-get install {PACKAGES}")
    for element in dict.fromkeys(elements_of(command)):
        if not _is_there(element):
            raise MissingDependencyError(
                f"GStreamer has no element {element!r} on this machine",
                expected="a Jetson with NVIDIA's JetPack" if element.startswith("nv") else "",
                fix=f"sudo apt-get install {JETPACK_PACKAGE if element.startswith('nv') else PACKAGES}",
            )
    return {"command": list(command), "shape": (height, width, CHANNELS)}


def _is_there(element: str) -> bool:
    try:
        done = subprocess.run(
            [INSPECT, "--exists", element],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=INSPECT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:  # that tells nothing; the camera is tried
        logger.warning("%s does not say whether there is an element %s: %s", INSPECT, element, error)
        return True
    return done.returncode == 0
