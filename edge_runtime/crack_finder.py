"""From what the engine made of a frame to the messages about its cracks: motion -> fusion -> cracks -> messages."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_runtime.camera_motion import CameraMotion
from edge_runtime.detections import detections_of
from edge_runtime.found import Found
from edge_runtime.fusion import TemporalFusion
from edge_runtime.stages import StageTimes
from edge_runtime.stream import Inferred
from edge_runtime.task import Task
from fissura.imaging.decode import find_cracks
from fissura.imaging.images import Mask
from fissura.imaging.implementation import fastest
from fissura.messages import Detection


class CameraMemory:
    """What is kept of the frames of one camera.

    Args:
        task: says what for.
    """

    def __init__(self, task: Task) -> None:
        self.motion = CameraMotion(task.registration)
        self._config = task.fusion
        self._fusion: TemporalFusion | None = None

    def fusion(self, scale: int) -> TemporalFusion | None:
        """What frames are added up by, where they are; a model of another scale begins with an empty one."""
        if self._config is not None and (self._fusion is None or self._fusion.scale != scale):
            self._fusion = TemporalFusion(self._config, scale)
        return self._fusion


class CrackFinder:
    """Finds the cracks of one frame after the other. Used by one thread.

    Args:
        task: what to look for.
        times: where the stages' latencies go.
    """

    def __init__(self, task: Task, times: StageTimes) -> None:
        self._task = task
        self._times = times
        self._implementation = fastest()  # now, since it may have to be compiled
        self._memories: dict[str, CameraMemory] = {}

    def find(self, inferred: Inferred) -> Found:
        """The cracks of a frame.

        Args:
            inferred: one without an error.

        Raises:
            ImageError: the region of interest has another size than the frame.
            ModelShapeError: the map does not fit the frame.
        """
        frame, camera, probability = inferred.frame, inferred.camera, inferred.probability
        assert probability is not None  # or there is an error
        keep = camera.region.for_frame(*frame.image.shape[:2]) if camera.region else None
        if self._task.fusion is None:
            return Found(frame, self._detect(inferred, probability, inferred.model.low_threshold, keep), probability)
        memory = self._memories.setdefault(camera.name, CameraMemory(self._task))
        try:
            return self._remember(memory, inferred, probability, keep)
        except Exception:
            memory.motion.forget()  # part of the memory may not have moved along with the picture
            raise

    def registered(self) -> tuple[int, int]:
        """How many frames' motion was found, and how many stood alone."""
        motions = [memory.motion for memory in self._memories.values()]
        return sum(motion.joined for motion in motions), sum(motion.alone for motion in motions)

    def _remember(
        self, memory: CameraMemory, inferred: Inferred, probability: NDArray[np.float32], keep: Mask | None
    ) -> Found:
        frame, model = inferred.frame, inferred.model
        low_threshold = model.low_threshold
        with self._times.measure("register"):
            motion = memory.motion.of(frame.image, keep)
        if (fusion := memory.fusion(model.inference.scale)) is not None:
            with self._times.measure("fuse"):
                probability = fusion.update(
                    frame.image.shape[:2], probability, model.stamp.threshold, motion, keep, low_threshold
                )
            low_threshold = None  # the fused map has it in it
        return Found(frame, self._detect(inferred, probability, low_threshold, keep), probability)

    def _detect(
        self, inferred: Inferred, probability: NDArray[np.float32], low_threshold: float | None, keep: Mask | None
    ) -> list[Detection]:
        frame, model, task = inferred.frame, inferred.model, self._task
        with self._times.measure("decode"):
            cracks = find_cracks(
                probability,
                threshold=model.stamp.threshold,
                low_threshold=low_threshold,
                temperature=model.inference.temperature,
                scale=model.inference.scale,
                gsd_mm_per_px=frame.gsd_mm_per_px,
                min_length_px=task.min_length_px,
                keep=keep,
                implementation=self._implementation,
            )
            position = None if task.position is None else task.position.at(frame)
            return detections_of(frame, cracks, model.stamp, task.serial, task.mission_id, position)
