"""The process of a trial: see `edge_runtime.updates.trial`.

A graph that eats memory, runs for ever or crashes its library ends this process, and not the run. It ends with all that
it started when its standard input closes, which it does when the run is gone, however that one ended.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
from typing import BinaryIO

from edge_runtime.process_group import end_with_input
from edge_runtime.updates.trial.messages import Answer, Task, say
from fissura.config import parse_config
from fissura.errors import EngineError, FissuraError, RejectedError


def main() -> int:
    """Do what standard input asks for; returns the exit code."""
    threading.Thread(target=end_with_input, name="end with parent", daemon=True).start()
    frames, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not come between the lines of JSON
    task = Task.model_validate_json(frames.readline())
    _limit(task)
    try:
        _do(task, frames, answers)
    except FissuraError as error:
        say(answers, Answer(problem=_words(error), expected=error.expected))
    except MemoryError as error:
        say(answers, Answer(problem=f"memory: {error}"))
    return 0


def _limit(task: Task) -> None:
    """Before any library of an engine is loaded."""
    os.nice(task.niceness)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash that we wait for must not fill the disk
    if task.processor_s is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (task.processor_s, task.processor_s + 1))
    if task.address_space_bytes is not None:
        resource.setrlimit(resource.RLIMIT_AS, (task.address_space_bytes, task.address_space_bytes))


def _do(task: Task, frames: BinaryIO, answers: BinaryIO) -> None:
    from edge_runtime.run.config import RunConfig

    config = parse_config(RunConfig, task.config, origin="the run")
    if task.kind == "trial":
        from edge_runtime.updates.trial.selftest import self_test

        say(answers, Answer(figures=self_test(task, config)))
    else:
        from edge_runtime.updates.trial.serve import serve

        serve(config, frames, answers)


def _words(error: FissuraError) -> str:
    """With the short word first that operators count failures by."""
    if isinstance(error, RejectedError):
        return error.found
    if "alloc" in error.found:  # ONNX Runtime and the allocator have a dozen sentences for it
        return f"memory: {error.found}"
    return f"{'engine' if isinstance(error, EngineError) else 'bundle'}: {error.found}"


if __name__ == "__main__":
    sys.exit(main())
