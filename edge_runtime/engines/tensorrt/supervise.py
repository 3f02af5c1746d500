"""Starting the building process, watching it, and ending it when it takes too long or too much."""

from __future__ import annotations

import logging
import queue
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from pydantic import TypeAdapter, ValidationError

from edge_runtime.engines.tensorrt.request import BuildRequest, Done, Failed, Progress
from edge_runtime.process_group import kill_group, machine_bytes, resident_bytes
from fissura.errors import EngineError, ModelShapeError

logger = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "edge_runtime.engines.tensorrt.build")
POLL_S = 0.2
PROGRESS_S = 10.0
LAST_WORDS = 20  # lines of standard error that are kept
MEMORY_SHARE = 0.75

_ANSWER: TypeAdapter[Progress | Done | Failed] = TypeAdapter(Progress | Done | Failed)


@dataclass(frozen=True)
class Limits:
    """What a build may take.

    Attributes:
        time_s: seconds.
        memory_bytes: resident memory of the host.
    """

    time_s: float
    memory_bytes: float

    @staticmethod
    def of(time_s: float, memory_mb: float | None) -> Limits:
        """From the engine's options."""
        return Limits(time_s, MEMORY_SHARE * machine_bytes() if memory_mb is None else memory_mb * 1e6)


def run_build(request: BuildRequest, limits: Limits) -> Done:
    """Build in a process of its own. However this ends, the process and all that it started are gone.

    Raises:
        ModelShapeError: graph and manifest do not belong together.
        EngineError: the build failed, crashed, or exceeded a limit.
    """
    process = subprocess.Popen(
        COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # a group of its own, which can be ended as a whole
    )
    try:
        return _Watch(process, limits).wait_for(request)
    finally:
        kill_group(process.pid)
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with suppress(BrokenPipeError):  # of a request that a dead process did not read
                    stream.close()


class _Watch:
    def __init__(self, process: subprocess.Popen[str], limits: Limits) -> None:
        self._process = process
        self._limits = limits
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._errors: deque[str] = deque(maxlen=LAST_WORDS)
        self._next_progress_s = time.monotonic() + PROGRESS_S
        self._next_look_s = 0.0  # at the memory

    def wait_for(self, request: BuildRequest) -> Done:
        stdin, stdout, stderr = self._process.stdin, self._process.stdout, self._process.stderr
        assert stdin is not None and stdout is not None and stderr is not None
        readers = [
            threading.Thread(target=self._read_answers, args=(stdout,), daemon=True),
            threading.Thread(target=self._read_errors, args=(stderr,), daemon=True),
        ]
        for reader in readers:
            reader.start()
        try:
            stdin.write(request.model_dump_json() + "\n")  # and it stays open: closing it means that we are gone
            stdin.flush()
        except BrokenPipeError:
            pass  # it has died already; its last words say why
        answer = self._answer()
        if answer is None:
            readers[1].join(POLL_S)
            raise self._crashed()
        if isinstance(answer, Failed):
            kind = ModelShapeError if answer.kind == "shape" else EngineError
            raise kind(answer.found, expected=answer.expected, fix=answer.fix)
        return answer

    def _answer(self) -> Done | Failed | None:
        """The last line; None: the process ended without one."""
        end = time.monotonic() + self._limits.time_s
        while True:
            try:
                line = self._lines.get(timeout=POLL_S)
            except queue.Empty:
                line = ""
            if line is None:
                return None
            if line:
                answer = self._parsed(line)
                if isinstance(answer, Progress):
                    self._report(answer)
                elif answer is not None:
                    return answer
            self._check_limits(end)

    def _parsed(self, line: str) -> Progress | Done | Failed | None:
        try:
            return _ANSWER.validate_json(line)
        except ValidationError:
            logger.debug("%s", line.rstrip())
            return None

    def _check_limits(self, end: float) -> None:
        now = time.monotonic()
        if now > end:
            raise EngineError(
                f"the build took longer than {self._limits.time_s:g} s",
                fix="raise `build_time_s`, or build once while the device is idle: the plan is kept",
            )
        if now < self._next_look_s:  # lines come by the thousand, and a look reads all of /proc
            return
        self._next_look_s = now + POLL_S
        found = resident_bytes(self._process.pid)
        if found > self._limits.memory_bytes:
            raise EngineError(
                f"the build took {found / 1e6:.0f} MB of memory",
                expected=f"at most {self._limits.memory_bytes / 1e6:.0f} MB",
                fix="raise `build_memory_mb`, or lower `size` and `max_batch`",
            )

    def _report(self, progress: Progress) -> None:
        now = time.monotonic()
        if now >= self._next_progress_s:
            self._next_progress_s = now + PROGRESS_S
            logger.info("building: %s, step %d of %d", progress.phase, progress.step, progress.steps)

    def _crashed(self) -> EngineError:
        code = self._process.wait()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        words = self._errors[-1] if self._errors else "it said nothing"
        return EngineError(f"the building process ended with {how}: {words}", fix="see the log; is there memory left?")

    def _read_answers(self, stream: IO[str]) -> None:
        for line in stream:
            self._lines.put(line)
        self._lines.put(None)

    def _read_errors(self, stream: IO[str]) -> None:
        for line in stream:
            self._errors.append(line.rstrip())
            logger.debug("%s", line.rstrip())
