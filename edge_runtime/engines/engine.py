"""What every inference engine offers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from fissura.bundle import VariantName
from fissura.config import Config

MOST_THREADS = 1024


class Engine(Protocol):
    """Runs one graph. Built as ``Class(path, graph, config)``, which checks the graph against the manifest.

    One thread owns an engine: it is built, run and closed there.

    Attributes:
        config_class: its options.
        variants: the precisions below fp32 that it runs.
        any_thread: it may be built in one thread and run in another, one after the other.
        name: engine and device, as messages state it.
        takes_batches: the graph takes several images at once.
        keeps_outputs: every output is an array of its own, which later calls leave alone.
    """

    config_class: ClassVar[type[Config]]
    variants: ClassVar[frozenset[VariantName]] = frozenset(get_args(VariantName))
    any_thread: ClassVar[bool] = False
    name: str
    takes_batches: bool = False
    keeps_outputs: bool = False

    def run(self, batch: NDArray[np.uint8], statistics: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Run a batch.

        Args:
            batch: (N, H, W, 3) or (N, 3, H, W) uint8 RGB, as the manifest's layout says.
            statistics: (2, 3), for a graph whose manifest entry names such an input, and only for it.

        Returns:
            The graph's output, float32, four axes. It is the caller's until the next call.

        Raises:
            EngineError: the engine cannot run this batch.
        """

    def close(self) -> None:
        """Let go of memory and device."""


def names_of(engines: Iterable[Engine]) -> str:
    """What messages say of several engines: each name once, so that none hides that it fell back to another library."""
    return " + ".join(dict.fromkeys(engine.name for engine in engines))
