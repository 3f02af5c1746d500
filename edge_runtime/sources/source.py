"""What every source of frames offers."""

from __future__ import annotations

from types import TracebackType
from typing import ClassVar, Protocol, TypeVar

from edge_runtime.frame import EndOfStream, Frame, Timeout
from fissura.config import Config

S = TypeVar("S", bound="Source")


class Source(Protocol):
    """Gives frames one after another. Built as ``Class(target, config)``; used by one thread.

    Attributes:
        config_class: the options of its address.
        live: frames come whether they are taken or not (a camera), so that the newest counts.
        name: what messages and metrics call it, unless the user names it; without a password.
        reconnects: how often it came back after it was lost.
        superseded: frames of a camera that were replaced by newer ones before they were read.
        takes_url: its target is the whole address, in which a camera's own parameters stay.
    """

    config_class: ClassVar[type[Config]]
    live: ClassVar[bool]
    takes_url: ClassVar[bool] = False
    name: str
    reconnects: int = 0
    superseded: int = 0

    def read(self) -> Frame | Timeout | EndOfStream:
        """The next frame, or `Timeout` after a fraction of a second without one.

        Raises:
            ImageError: this frame cannot be read; the next call goes on with the one after it.
            SourceError: the source is gone.
        """

    def close(self) -> None:
        """Let go of the camera or file."""

    def __enter__(self: S) -> S:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
