"""Memory of broker and simulation, once a second."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from deploy.fleet.simulation.children import resident_bytes

PERIOD_S = 1.0


class Sample(NamedTuple):
    """Memory at one moment; `at_s` is monotonic."""

    at_s: float
    broker_bytes: int
    total_bytes: int
    load: float


class Watch:
    """Starts at once.

    Args:
        broker: tells the broker's resident memory.
        pids: of all other processes of the simulation but this one.
    """

    def __init__(self, broker: Callable[[], int], pids: Callable[[], list[int]]) -> None:
        self.samples: list[Sample] = []
        self._broker = broker
        self._pids = pids
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End."""
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(PERIOD_S):
            broker = self._broker()
            others = sum(resident_bytes(pid) for pid in [os.getpid(), *self._pids()])
            self.samples.append(Sample(time.monotonic(), broker, broker + others, os.getloadavg()[0]))
