"""Watching the building process; the stand-ins for it here are three lines of Python."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from edge_runtime.engines.tensorrt import supervise
from edge_runtime.engines.tensorrt.request import BuildRequest
from edge_runtime.engines.tensorrt.supervise import POLL_S, Limits, run_build
from fissura.bundle import Graph
from fissura.errors import EngineError

LIMITS = Limits(60, 1e12)


class LateRequest(BuildRequest):
    """Is written when the process that it is for has died."""

    def model_dump_json(self, **options: Any) -> str:
        newest = max(psutil.Process().children(), key=lambda child: child.create_time())
        end = time.monotonic() + 20
        while newest.status() != psutil.STATUS_ZOMBIE and time.monotonic() < end:
            time.sleep(0.01)
        return super().model_dump_json(**options)


def request_for(small: tuple[Path, Graph], kind: type[BuildRequest] = BuildRequest) -> BuildRequest:
    path, graph = small
    return kind(
        onnx=str(path),
        plan="",
        timing_cache="",
        graph=graph,
        size=(96, 72),
        max_batch=1,
        precision="fp32",
        weak=False,
    )


def builds_by(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(supervise, "COMMAND", (sys.executable, "-c", code))


def test_the_last_words_of_a_process_that_read_nothing(
    small: tuple[Path, Graph], monkeypatch: pytest.MonkeyPatch
) -> None:
    builds_by(monkeypatch, "import sys; sys.exit('libnvinfer.so: cannot open shared object file')")
    with pytest.raises(EngineError, match=r"exit code 1: libnvinfer\.so: cannot open"):
        run_build(request_for(small, LateRequest), LIMITS)


def test_memory_is_looked_at_by_the_clock_and_not_by_the_line(
    small: tuple[Path, Graph], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []
    monkeypatch.setattr(supervise, "resident_bytes", lambda group: looks.append(group) or 0)
    progress = '{"event": "progress", "phase": "p", "step": 0, "steps": 9}'
    done = '{"event": "done", "layers": {}, "build_s": 1.0}'
    builds_by(monkeypatch, f"print(({progress!r} + chr(10)) * 5000 + {done!r})")
    began = time.monotonic()
    assert run_build(request_for(small), LIMITS).build_s == 1
    assert 1 <= len(looks) <= 2 + (time.monotonic() - began) / POLL_S
