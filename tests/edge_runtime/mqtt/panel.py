"""What commands change, without a pipeline behind it."""

from __future__ import annotations

import threading
from dataclasses import replace

import cv2
import numpy as np

from edge_runtime.control import Control, ControlState
from fissura.errors import ConfigError, SourceError, UsageError


class Panel(Control):
    """Remembers what it was told; every change is `held` until it is `open`."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.held = 0
        self.sources: tuple[str, ...] = ("front",)
        self.open = threading.Event()
        self.open.set()
        self._state = ControlState(False, 0.4, None, "0" * 64, "onnxruntime", ())

    def pause(self) -> None:
        self._change("pause", paused=True)

    def resume(self) -> None:
        self._change("resume", paused=False)

    def set_threshold(self, threshold: float | None) -> None:
        self._change("threshold", threshold=0.4 if threshold is None else threshold)

    def set_budget(self, milliseconds: float | None) -> None:
        raise UsageError("a budget in mode 'full'", expected="mode cascade")

    def snapshot(self, source: str | None = None) -> bytes:
        self.calls.append("snapshot")
        if source not in (None, "front"):
            raise SourceError(f"there is no camera {source!r}")
        noise = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)
        return bytes(cv2.imencode(".jpg", noise)[1].tobytes())

    def reload(self) -> None:
        self.calls.append("reload")
        raise ConfigError("there is no configuration file")

    def state(self) -> ControlState:
        return replace(self._state, sources=self.sources)

    def _change(self, name: str, **values: object) -> None:
        self.held += 1
        self.open.wait(30)
        self.calls.append(name)
        self._state = replace(self._state, **values)  # type: ignore[arg-type]
