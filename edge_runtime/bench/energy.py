"""What the device draws while something runs, where its sensors can be read."""

from __future__ import annotations

import threading
from collections import defaultdict
from pathlib import Path
from types import TracebackType

from edge_runtime.hardware.power import Power

PERIOD_S = 0.25


class PowerMeter:
    """Reads the supply rails four times a second, in the `with` statements: those together are averaged.

    Energy counters (x86) give the mean since the reading before, monitors of a board (Jetson) the power at the moment.

    Args:
        root: of the file system.
    """

    def __init__(self, root: Path = Path("/")) -> None:
        self._power = Power(root)
        self._sums: defaultdict[str, float] = defaultdict(float)
        self._readings: defaultdict[str, int] = defaultdict(int)
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> PowerMeter:
        self._power.read()  # from here on counters count
        self._end.clear()
        self._thread = threading.Thread(target=self._run, name="power", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        if self._thread is not None:
            self._thread.join()

    def watts(self) -> dict[str, float]:
        """Mean of each rail; empty where nothing can be read."""
        return {rail: self._sums[rail] / number for rail, number in self._readings.items()}

    def _run(self) -> None:
        while not self._end.wait(PERIOD_S):
            self._read()
        self._read()  # a part shorter than the period counts too

    def _read(self) -> None:
        for rail, watts in self._power.read().items():
            self._sums[rail] += watts
            self._readings[rail] += 1
