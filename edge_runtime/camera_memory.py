"""What is kept of the frames of one camera, where frames are fused or cracks are tracked."""

from __future__ import annotations

from edge_runtime.camera_motion import CameraMotion
from edge_runtime.found import Found
from edge_runtime.fusion import TemporalFusion
from edge_runtime.task import Task
from edge_runtime.tracker import Tracker


class CameraMemory:
    """The memories, each of which moves along with the picture.

    Args:
        task: says which of them are wanted.

    Attributes:
        motion: finds how the picture moves.
        tracker: knows the events; None: cracks are not tracked.
        last: the last frame that the tracker has taken up.
    """

    def __init__(self, task: Task) -> None:
        self.motion = CameraMotion(task.registration)
        self.tracker = Tracker() if task.track else None
        self.last: Found | None = None
        self._config = task.fusion
        self._fusion: TemporalFusion | None = None

    def fusion(self, scale: int) -> TemporalFusion | None:
        """What adds frames up; a model of another scale begins with an empty one. None: frames are not fused."""
        if self._config is not None and (self._fusion is None or self._fusion.scale != scale):
            self._fusion = TemporalFusion(self._config, scale)
        return self._fusion
