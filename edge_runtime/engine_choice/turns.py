"""Trials that take turns.

Each candidate has a process of its own, since a library may crash, hang or leave memory behind. All of them stay open
until the end and run in turn, a fraction of a second each and every other round backwards: what else the machine does
then hits all alike, which one process after another would not give. It costs the memory of all engines at once, about
100 MB each on a CPU; one that finds too little fails alone, and is out.
"""

from __future__ import annotations

import logging
import selectors
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import IO

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from edge_runtime.engine_choice.candidate import Candidate
from edge_runtime.engine_choice.request import Answer, Request, Task
from edge_runtime.process_group import kill_group
from fissura.errors import EngineError

logger = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "edge_runtime.engine_choice.trial")
ROUNDS = 8
TURN_S = 0.3
LONGEST_TURN_S = 120.0  # one frame of a slow net on a slow device


class Row(BaseModel):
    """What became of a candidate.

    Attributes:
        candidate: the engine.
        name: engine and device, as the engine states it; empty where it did not open.
        ms: median time of a frame: a camera frame in, its probability out; None: it is out.
        frames: that the median is of.
        problem: why it is out.
    """

    model_config = ConfigDict(frozen=True)

    candidate: Candidate
    name: str = ""
    ms: float | None = None
    frames: int = 0
    problem: str = ""


class Trial:
    """A candidate in its process, which is gone after the `with` statement.

    Args:
        candidate: the engine.
        errors: takes what the process says on standard error.
    """

    def __init__(self, candidate: Candidate, errors: IO[bytes]) -> None:
        self.candidate = candidate
        self._errors = errors
        self._process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,  # a group of its own: Ctrl-C is for us, and it can be ended as a whole
        )

    def __enter__(self) -> Trial:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def ask(self, line: str, limit_s: float) -> Answer:
        """Say a line and wait for the answer.

        Raises:
            EngineError: the candidate is out: its own reason, a crash, or no answer in time.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        with suppress(BrokenPipeError):  # it has died: its last words say why
            stdin.write(line + "\n")
            stdin.flush()
        with selectors.DefaultSelector() as waiting:
            waiting.register(stdout, selectors.EVENT_READ)
            if not waiting.select(limit_s):
                raise EngineError(f"no answer in {limit_s:g} s")
        try:
            answer = Answer.model_validate_json(stdout.readline())
        except ValidationError:
            raise EngineError(self._last_words()) from None
        if answer.problem:
            raise EngineError(answer.problem)
        return answer

    def end(self) -> None:
        """End the process and all that it started; may be called again."""
        self._kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):  # of a line that a dead process did not read
                    stream.close()

    def _kill(self) -> int:
        """End what is left of the group; the exit code of its first process."""
        if self._process.returncode is None:  # not reaped yet: until then its number belongs to nobody else
            kill_group(self._process.pid)
        return self._process.wait()

    def _last_words(self) -> str:
        code = self._kill()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"its process ended with {how}: {lines[-1] if lines else 'it said nothing'}"


def take_turns(candidates: Sequence[Candidate], request: Request) -> list[Row]:
    """Try the candidates; what fails stands in its row."""
    rows: dict[str, Row] = {}
    times: dict[str, list[float]] = {}
    with ExitStack() as stack:
        running: list[Trial] = []
        for candidate in candidates:
            logger.info("trying engine %s", candidate.label)
            errors = stack.enter_context(tempfile.TemporaryFile())
            trial = stack.enter_context(Trial(candidate, errors))
            rows[candidate.label] = row = _begun(trial, request)
            if not row.problem:
                running.append(trial)
                times[candidate.label] = []
        for number in range(ROUNDS):
            for trial in running[:: -1 if number % 2 else 1]:
                label = trial.candidate.label
                try:
                    times[label] += trial.ask(str(TURN_S), LONGEST_TURN_S).milliseconds
                except EngineError as error:
                    running.remove(trial)
                    trial.end()
                    del times[label]
                    rows[label] = rows[label].model_copy(update={"problem": error.found})
    for label, milliseconds in times.items():
        found = {"ms": round(float(np.median(milliseconds)), 3), "frames": len(milliseconds)}
        rows[label] = rows[label].model_copy(update=found)
    return list(rows.values())


def _begun(trial: Trial, request: Request) -> Row:
    task = Task(candidate=trial.candidate, request=request)
    try:
        answer = trial.ask(task.model_dump_json(), trial.candidate.open_s)
    except EngineError as error:
        trial.end()  # its memory is for the others
        return Row(candidate=trial.candidate, problem=error.found)
    return Row(candidate=trial.candidate, name=answer.name)
