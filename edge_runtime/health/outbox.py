"""A message store and its way to the broker, as far as health looks at them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.spool import SpoolStats
from fissura.errors import SpoolError

PROBE_BYTES = 4096


@dataclass(frozen=True)
class Outbox:
    """What an output that keeps messages offers; called by the health thread.

    Attributes:
        path: of the store's file.
        stats: what it holds; may raise SpoolError.
        connected: whether the broker takes messages now.
    """

    path: Path
    stats: Callable[[], SpoolStats]
    connected: Callable[[], bool]


@dataclass(frozen=True)
class OutboxState:
    """An outbox at one moment.

    Attributes:
        stats: None where they cannot be read.
        connected: whether the broker takes messages.
        problem: why the store cannot be written; None where it can.
    """

    stats: SpoolStats | None
    connected: bool
    problem: str | None


def look_at(outbox: Outbox) -> OutboxState:
    """Ask an outbox, and try whether its folder takes a file: messages may be rare, a full disk is known before."""
    connected, problem = outbox.connected(), _probe(outbox.path)
    try:
        return OutboxState(outbox.stats(), connected, problem)
    except SpoolError as error:
        return OutboxState(None, connected, error.found)


def _probe(path: Path) -> str | None:
    probe = path.with_name(f"{path.name}.probe")
    try:
        # Not forced onto the disk: whether there is room, and the file system takes writes, is known without.
        try:
            probe.write_bytes(bytes(PROBE_BYTES))
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        return f"message store {path} cannot be written: {error.strerror or error}"
    return None
