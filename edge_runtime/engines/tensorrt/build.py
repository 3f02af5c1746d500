"""The process that builds a plan: ``python -m edge_runtime.engines.tensorrt.build``.

A builder takes minutes and gigabytes, and a crash in it ends the process. So it has one of its own: one line of JSON
comes in on standard input (`BuildRequest`), lines of JSON go out on standard output (`Progress`, then `Done` or
`Failed`). It ends itself when standard input closes, which it does when the parent dies.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import TextIO

from edge_runtime.engines.tensorrt.builder import build_plan
from edge_runtime.engines.tensorrt.library import load_tensorrt
from edge_runtime.engines.tensorrt.request import BuildRequest, Done, Failed, Progress
from fissura.errors import FissuraError, ModelShapeError

ORPHANED = 3  # exit code


def main() -> int:
    """Build what standard input asks for; returns the exit code."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(message)s")
    answers = sys.stdout
    sys.stdout = sys.stderr  # what a library prints must not come between the lines of JSON
    request = BuildRequest.model_validate_json(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    lock = threading.Lock()

    def say(line: Progress | Done | Failed) -> None:
        with lock:
            _write(answers, line)

    try:
        done = build_plan(load_tensorrt(), request, say)
    except FissuraError as error:
        kind = "shape" if isinstance(error, ModelShapeError) else "engine"
        say(Failed(kind=kind, found=error.found, expected=error.expected, fix=error.fix))
        return 2
    except Exception as error:
        logging.getLogger(__name__).exception("unexpected")
        say(Failed(kind="engine", found=f"{type(error).__name__}: {error}", expected="", fix="see the log"))
        return 1
    say(done)
    return 0


def _write(stream: TextIO, line: Progress | Done | Failed) -> None:
    stream.write(line.model_dump_json() + "\n")
    stream.flush()


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(ORPHANED)


if __name__ == "__main__":
    sys.exit(main())
