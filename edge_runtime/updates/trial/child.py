"""Starting a trial process, watching it, and ending it when it takes too long or too much."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import IO

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from edge_runtime.process_group import PROC, kill_group, machine_bytes, own_resident_bytes, resident_bytes
from edge_runtime.signals import signal_name
from edge_runtime.updates.trial.messages import Answer, FrameShape, Task
from fissura.errors import DeferredError, RejectedError, UpdateError
from fissura.imaging.images import RgbImage

COMMAND = (sys.executable, "-m", "edge_runtime.updates.trial")
POLL_S = 0.1
GROUP_S = 1.0  # a look at every process of the device costs milliseconds
LAST_MOMENTS_S = 1.0
LAST_WORDS = 20  # lines of standard error that are kept
LONGEST_LINE = 1 << 16
# Libraries reserve address space without using it; the limit is there for the one reservation of a hundred gigabytes.
RESERVED_BYTES = 4 << 30
LEAST_FREE_BYTES = 1e9  # with less, a trial says more about the device than about the model


class StoppedError(Exception):
    """The run is to end: the trial has no outcome."""


class TrialProcess:
    """One process. However its time ends, it and all that it started are gone.

    Args:
        task: what it is told; without `address_space_bytes`, which come from the memory's limit.
        memory_mb: resident memory that ends it, 10^6 bytes; None: half of what is free now.
        limits_address_space: its engine reserves no more than it uses, as a GPU's would.
        stopping: ends it when set.

    Raises:
        DeferredError: too little memory is free to say anything about a model.
    """

    def __init__(
        self, task: Task, memory_mb: float | None, *, limits_address_space: bool, stopping: threading.Event
    ) -> None:
        self._memory_bytes = _share_of_free() if memory_mb is None else memory_mb * 1e6
        self._memory_is_the_models = memory_mb is not None
        self._stopping = stopping
        self._deadline_s = float("inf")
        self._ended = ""  # why we ended it
        self._over = threading.Event()
        self._words: deque[str] = deque(maxlen=LAST_WORDS)
        self.peak_bytes = 0
        self._process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # a group of its own, which can be ended as a whole
        )
        assert self._process.stdin is not None and self._process.stdout is not None and self._process.stderr is not None
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._watcher = threading.Thread(target=self._watch, name="trial watch", daemon=True)
        self._listener = threading.Thread(target=self._listen, args=(self._process.stderr,), daemon=True)
        self._watcher.start()
        self._listener.start()
        if limits_address_space:
            task = task.model_copy(update={"address_space_bytes": int(self._memory_bytes) + RESERVED_BYTES})
        self._write(task.model_dump_json().encode() + b"\n")

    @property
    def pid(self) -> int:
        """Number of the process, and of its group."""
        return self._process.pid

    def answer(self, limit_s: float) -> Answer:
        """Wait for the next line.

        Args:
            limit_s: the process is ended when it takes longer.

        Raises:
            RejectedError: it crashed, took too long or too much, or says that the model does not do.
            UpdateError: it had too little memory, for which others may be the cause; to be tried again.
            StoppedError: `stopping` was set.
        """
        self._deadline_s = time.monotonic() + limit_s
        line = self._stdout.readline(LONGEST_LINE)
        try:
            answer = Answer.model_validate_json(line)
        except ValidationError:
            raise self._end() from None
        self._deadline_s = float("inf")
        if answer.problem.startswith("memory:"):
            raise self._no_memory(answer.problem)
        if answer.problem:
            raise RejectedError(answer.problem, expected=answer.expected)
        return answer

    def look(self, image: RgbImage, limit_s: float) -> tuple[NDArray[np.float32], float]:
        """Have a frame looked at, by a process that shadows.

        Args:
            image: (H, W, 3) uint8.
            limit_s: see `answer`.

        Returns:
            (H * scale, W * scale) float32, and the milliseconds that it took.

        Raises:
            RejectedError, UpdateError, StoppedError: see `answer`.
        """
        height, width, channels = image.shape
        self._deadline_s = time.monotonic() + limit_s
        self._write(FrameShape(shape=(height, width, channels)).model_dump_json().encode() + b"\n")
        self._write(np.ascontiguousarray(image).tobytes())
        found = self.answer(limit_s).map
        if found is None or not _fits(found.shape, (height, width)):
            raise RejectedError("protocol: the trial process does not answer with a map of the frame")
        self._deadline_s = time.monotonic() + limit_s
        data = self._stdout.read(4 * found.shape[0] * found.shape[1])
        self._deadline_s = float("inf")
        if len(data) != 4 * found.shape[0] * found.shape[1]:
            raise self._end()
        return np.frombuffer(data, np.float32).reshape(found.shape), found.milliseconds

    def close(self) -> None:
        """End it."""
        self._over.set()
        self._watcher.join()
        self._kill()
        self._listener.join(POLL_S)
        for stream in (self._stdin, self._stdout, self._process.stderr):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()

    def __enter__(self) -> TrialProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, data: bytes) -> None:
        with suppress(BrokenPipeError):  # it has died already; what `answer` reads says why
            self._stdin.write(data)
            self._stdin.flush()

    def _end(self) -> UpdateError | StoppedError:
        """What became of a process that says nothing sensible any more."""
        self._over.set()
        self._watcher.join()
        if not self._ends_within(LAST_MOMENTS_S):
            self._ended = self._ended or "protocol: the trial process talks nonsense"
        code = self._kill()
        self._listener.join(1)
        if self._stopping.is_set():
            return StoppedError()
        if self._ended:
            return self._no_memory(self._ended) if self._ended.startswith("memory:") else RejectedError(self._ended)
        words = self._words[-1] if self._words else "it said nothing"
        if code == -signal.SIGXCPU:
            return RejectedError("timeout: the trial process used up its time of the processor")
        if code == -signal.SIGKILL:  # not by us: the kernel, which had no memory left
            return UpdateError(f"memory: the trial process was killed: {words}")
        how = signal_name(-code) if code < 0 else f"exit code {code}"
        return RejectedError(f"crash: the trial process ended with {how}: {words}")

    def _no_memory(self, words: str) -> UpdateError:
        """What was free in one moment says little about a model."""
        return RejectedError(words) if self._memory_is_the_models else UpdateError(words)

    def _ends_within(self, limit_s: float) -> bool:
        """Whether it has ended then. It keeps its number."""
        end_s = time.monotonic() + limit_s
        while os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() > end_s:
                return False
            time.sleep(0.01)
        return True

    def _kill(self) -> int:
        """It, and all that it started; returns its exit code."""
        if self._process.returncode is None:  # until it is waited for, nobody else can have the number
            kill_group(self._process.pid)
        return self._process.wait()

    def _watch(self) -> None:
        next_s = 0.0
        while not self._over.wait(POLL_S):
            found = own_resident_bytes(self._process.pid)
            if time.monotonic() >= next_s:  # what it has started, such as a compiler
                next_s = time.monotonic() + GROUP_S
                found = resident_bytes(self._process.pid)
            self.peak_bytes = max(self.peak_bytes, found)
            if found > self._memory_bytes:
                limit = f"{self._memory_bytes / 1e6:.0f} MB"
                self._ended = f"memory: the trial process took {found / 1e6:.0f} MB, {limit} allowed"
            elif time.monotonic() > self._deadline_s:
                self._ended = "timeout: the trial process took too long"
            if self._ended or self._stopping.is_set():
                kill_group(self._process.pid)
                return

    def _listen(self, stream: IO[bytes]) -> None:
        while line := stream.readline(LONGEST_LINE):
            self._words.append(line.decode(errors="replace").strip()[:500])


def free_bytes() -> float:
    """Memory that can be had without swapping."""
    with suppress(OSError, ValueError, IndexError):
        for line in (PROC / "meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return float(line.split()[1]) * 1024
    return 0.5 * machine_bytes()


def _share_of_free() -> float:
    """Half of what is free: the run has to go on."""
    free = free_bytes()
    if free < LEAST_FREE_BYTES:
        raise DeferredError(
            f"memory: {free / 1e6:.0f} MB are free", expected=f"{LEAST_FREE_BYTES / 1e6:.0f} MB or more"
        )
    return 0.5 * free


def _fits(found: tuple[int, int], frame: tuple[int, int]) -> bool:
    """Whether a map is the frame's, at a whole number of pixels a pixel."""
    scale = found[0] // frame[0]
    return 1 <= scale <= 16 and found == (scale * frame[0], scale * frame[1])
