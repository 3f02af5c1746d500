"""The run's handle on a reader process."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import edge_runtime
from edge_runtime.sources.camera.child import LONGEST_ORDER
from edge_runtime.sources.camera.ring import Pixels, RingReader
from edge_runtime.sources.camera.url import take_out
from fissura.errors import SourceError

logger = logging.getLogger(__name__)

# `-m` looks where the process starts: there, it finds this same package, and nothing of the user's folder.
_ROOT = Path(edge_runtime.__file__).parents[1]
_REAP_S = 2.0
_LAST_WORDS = 4096


@dataclass(frozen=True, eq=False)
class Grabbed:
    """A frame.

    Attributes:
        pixels: (H, W, 3) BGR or (H, W, 4) BGRx; overwritten after the next `read`.
        sequence: number among the frames of this process, unreadable ones included.
        superseded: frames of this process that came and went before they could be taken.
        monotonic_ns, utc_ns: when it was grabbed.
    """

    pixels: Pixels
    sequence: int
    superseded: int
    monotonic_ns: int
    utc_ns: int


@dataclass(frozen=True)
class Unreadable:
    """Frames that could not be decoded.

    Attributes:
        count: of them.
        next: sequence number of the frame after all that came so far.
    """

    count: int
    next: int


@dataclass(frozen=True)
class Lost:
    """There will be no more.

    Attributes:
        cause: 'refused', 'ended', 'frozen' or 'died'.
        error: what to tell.
    """

    cause: str
    error: SourceError


class ReaderProcess:
    """A child that reads one camera.

    Args:
        order: for `child.main`.
        secrets: what must not be repeated from anything that it says.

    Raises:
        OSError: no process can be started.
    """

    def __init__(self, order: Mapping[str, Any], secrets: Sequence[str] = ()) -> None:
        self._secrets = secrets
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._memory_fd = os.memfd_create("fissura-frames")
        self._ring = RingReader(self._memory_fd)
        self._asked = False
        self._words = b""
        with theirs:
            try:
                self._process = self._start(theirs.fileno())
            except OSError:
                self._channel.close()
                os.close(self._memory_fd)
                raise
            self._channel.send(json.dumps(order).encode())
        assert self._process.stderr is not None
        self._stderr = self._process.stderr
        os.set_blocking(self._stderr.fileno(), False)

    def _start(self, channel_fd: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "edge_runtime.sources.camera.child", str(channel_fd), str(self._memory_fd)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=(channel_fd, self._memory_fd),
            start_new_session=True,  # a group of its own, to be killed with all that it starts
            cwd=_ROOT,
            env={**os.environ, "OPENCV_LOG_LEVEL": "ERROR"},  # FFmpeg's own message is to be the last
        )

    @property
    def pid(self) -> int:
        """Of the process, and of its group."""
        return self._process.pid

    def read(self, timeout_s: float) -> Grabbed | Unreadable | Lost | None:
        """The newest frame that was not given yet, or what happened instead; None after the timeout."""
        self._listen()
        self._channel.settimeout(timeout_s)
        try:
            if not self._asked:
                self._channel.send(b"?")
                self._asked = True
            answer = self._channel.recv(LONGEST_ORDER)
        except TimeoutError:
            return None
        except OSError:  # broken pipe: but it may have said why before
            answer = self._last_answer()
        self._asked = False
        return self._understand(json.loads(answer)) if answer else self._dead()

    def last_words(self) -> str:
        """The last line that it, or a library in it, has written to stderr; empty if there is none."""
        self._listen()
        lines = self._words.decode("utf-8", "replace").strip().splitlines()
        return take_out(self._secrets, lines[-1].strip()) if lines else ""

    def kill(self) -> None:
        """End it, in whatever state it is, and let go of all that belongs to it."""
        self._end_group()
        self._stderr.close()
        self._channel.close()
        os.close(self._memory_fd)

    def _understand(self, answer: dict[str, Any]) -> Grabbed | Unreadable | Lost:
        kind = answer.pop("kind")
        if kind == "frame":
            pixels = self._ring.view(answer.pop("offset"), tuple(answer.pop("shape")))
            return Grabbed(pixels, **answer)
        if kind == "unreadable":
            return Unreadable(**answer)
        cause = answer.pop("cause")
        words = {key: take_out(self._secrets, text) for key, text in answer.items()}
        return Lost(cause, SourceError(words.pop("found"), **words))

    def _last_answer(self) -> bytes:
        try:
            return self._channel.recv(LONGEST_ORDER)
        except OSError:
            return b""

    def _dead(self) -> Lost:
        code = self._end_group() or 0
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return Lost("died", SourceError(f"its reader process has ended {how}"))

    def _end_group(self) -> int | None:
        """End what is left of the process and its children; its exit code."""
        if self._process.returncode is None:  # not reaped yet: until then its number belongs to nobody else
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            try:
                self._process.wait(_REAP_S)
            except subprocess.TimeoutExpired:  # in the kernel, inside a driver: nobody can end it there
                logger.warning("reader process %d does not end: its driver hangs", self._process.pid)
        return self._process.returncode

    def _listen(self) -> None:
        """Take what it writes to stderr, lest the pipe fill up and it wait."""
        with suppress(BlockingIOError):
            while words := os.read(self._stderr.fileno(), _LAST_WORDS):
                self._words = (self._words + words)[-_LAST_WORDS:]
