"""What all kinds of positions offer."""

from __future__ import annotations

from typing import Protocol

from edge_runtime.frame import Frame
from fissura.messages import Position


class PositionSource(Protocol):
    """Safe to use from several threads."""

    def at(self, frame: Frame) -> Position | None:
        """Where the camera was when the frame was captured; None: not known. Never waits."""

    def close(self) -> None:
        """Release what it holds; twice does nothing more."""
