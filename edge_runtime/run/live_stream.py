"""The frames of a run, as the update machine sees them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from edge_runtime.updates.canary import Canary
from edge_runtime.updates.shadow import Shadow


class LiveStream:
    """The frames of this run; see `Stream` in `edge_runtime.updates.ports`.

    Args:
        shadow: compares.
        canary: watches.
        reload: takes over the active bundle between two frames.
    """

    def __init__(self, shadow: Shadow, canary: Canary, reload: Callable[[], None]) -> None:
        self._shadow = shadow
        self._canary = canary
        self._reload = reload

    def shadow(self, bundle: Path, stopping: threading.Event) -> Mapping[str, float]:
        return self._shadow.run(bundle, stopping)

    def switch(self) -> None:
        self._canary.switching(self._reload)

    def canary(self, stopping: threading.Event) -> Mapping[str, float]:
        return self._canary.watch(stopping)
