"""What no probability map may be, whatever the frame shows: not a number, or the same number everywhere."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fissura.errors import RejectedError

SAME = 1e-6
# An INT8 graph gives exactly zero for a frame without a crack: only another constant says something by itself.
NOTHING = 0.01
ENOUGH = 10  # maps of one value


class OutputCheck:
    """Looks at a model's maps, one after another.

    Attributes:
        varied: a map had more than one value.
    """

    def __init__(self) -> None:
        self.varied = False
        self._flat = 0

    def look(self, probability: NDArray[np.float32], *, should_vary: bool = False) -> None:
        """Look at one map.

        Args:
            probability: any shape.
            should_vary: another model saw something in such frames.

        Raises:
            RejectedError: it is not finite, not between 0 and 1, or constant once too often.
        """
        lowest, highest = float(probability.min()), float(probability.max())  # of what holds a nan both are nan
        if not (np.isfinite(lowest) and np.isfinite(highest)):
            raise RejectedError("nan: the model gives what is no number")
        if lowest < -SAME or highest > 1 + SAME:
            raise RejectedError(f"range: the model gives {lowest:.4g} to {highest:.4g}", expected="probabilities")
        if highest - lowest > SAME:
            self.varied = True
        elif should_vary or highest > NOTHING:
            self._flat += 1
        if self._flat >= ENOUGH and not self.varied:
            raise RejectedError(f"constant: the model gives {highest:.4g} everywhere, whatever it sees")
