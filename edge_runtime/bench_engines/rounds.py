"""Times engines in turns: in each round every engine sees the same frame, in an order that is drawn anew.

A machine that grows warm, or that has other work for a while, then slows all of them down, and the ratio within a round
stays what it is.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edge_runtime.stages import StageTimes
from edge_runtime.whole_frame import WholeFrame
from fissura.errors import EngineError, ImageError
from fissura.imaging.images import RgbImage
from fissura.progress import progress

WARM_UP = 3


@dataclass
class Rounds:
    """What was measured.

    Attributes:
        milliseconds: by row: of each round; a frame in, its probability out.
        failures: by row: why it ended.
    """

    milliseconds: dict[str, list[float]] = field(default_factory=dict)
    failures: dict[str, EngineError | ImageError] = field(default_factory=dict)

    def speed(self, label: str, reference: str) -> float:
        """How many times as fast as the reference: the median over rounds of the ratio within a round."""
        return float(np.median(np.divide(self.milliseconds[reference], self.milliseconds[label])))


def take_turns(rows: Mapping[str, WholeFrame], frames: Sequence[RgbImage], rounds: int, seed: int = 0) -> Rounds:
    """Run every row once a round, after a warm-up; a row that fails is left out from there on.

    Args:
        rows: by label.
        frames: (H, W, 3) uint8 RGB, used in turn.
        rounds: how many.
        seed: of the order.
    """
    order, drawn = list(rows), random.Random(seed)
    measured = Rounds({label: [] for label in rows})
    for index in progress(range(-WARM_UP, rounds), "rounds", rounds + WARM_UP):
        frame = frames[index % len(frames)]
        drawn.shuffle(order)
        for label in tuple(order):
            try:
                elapsed_ms = _timed(rows[label], frame)
            except (EngineError, ImageError) as error:
                order.remove(label)
                measured.failures[label] = error
                del measured.milliseconds[label]
                continue
            if index >= 0:
                measured.milliseconds[label].append(elapsed_ms)
    return measured


def _timed(whole: WholeFrame, frame: RgbImage) -> float:
    times = StageTimes()
    began = time.perf_counter_ns()
    whole.run(frame, times)
    return (time.perf_counter_ns() - began) / 1e6
