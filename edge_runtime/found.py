"""What was found in a frame, on its way to the outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_runtime.frame import Frame
from fissura.messages import Detection


@dataclass(frozen=True)
class Found:
    """A frame and its cracks.

    Attributes:
        frame: the camera frame.
        seen: one a crack in this frame, longest first.
        told: what is to be published: the same where cracks are not tracked; else what says something new about an
            event, events that have ended included.
        probability: (H*s, W*s) float32, which they were found in.
    """

    frame: Frame
    seen: Sequence[Detection]
    told: Sequence[Detection]
    probability: NDArray[np.float32]
