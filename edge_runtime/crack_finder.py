"""From what the engine made of a frame to the messages about its cracks: motion -> fusion -> cracks -> events."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edge_runtime.camera import Camera
from edge_runtime.camera_memory import CameraMemory
from edge_runtime.detections import detections_of
from edge_runtime.found import Found
from edge_runtime.stages import StageTimes
from edge_runtime.stream import Inferred
from edge_runtime.task import Task
from fissura.imaging.decode import find_cracks
from fissura.imaging.images import Mask
from fissura.imaging.implementation import fastest
from fissura.messages import Detection

logger = logging.getLogger(__name__)


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
        if self._task.fusion is None and not self._task.track:
            detections = self._detect(inferred, probability, inferred.model.low_threshold, keep)
            return Found(frame, detections, detections, probability)
        memory = self._memory_of(camera)
        try:
            return self._remember(memory, inferred, probability, keep)
        except Exception:
            memory.motion.forget()  # part of the memory may not have moved along with the picture
            raise

    def finish(self) -> Iterator[Found]:
        """End all events: what is still to be told, with the last frame of each camera."""
        for memory in self._memories.values():
            if memory.tracker is not None and memory.last is not None and (ended := memory.tracker.finish()):
                yield Found(memory.last.frame, (), ended, memory.last.probability)

    def report(self) -> None:
        """Log what came of fusing and tracking, where it was asked for."""
        motions = [memory.motion for memory in self._memories.values()]
        joined, alone = sum(motion.joined for motion in motions), sum(motion.alone for motion in motions)
        if self._task.fusion is not None:
            logger.info("fused %d frames, %d stood alone", joined, alone)
        if self._task.track:
            cracks = sum(memory.tracker.cracks for memory in self._memories.values() if memory.tracker is not None)
            logger.info("tracked %d cracks over %d frames, %d stood alone", cracks, joined, alone)

    def _memory_of(self, camera: Camera) -> CameraMemory:
        memory = self._memories.get(camera.name)
        if memory is None:
            memory = self._memories[camera.name] = CameraMemory(self._task)
        return memory

    def _remember(
        self, memory: CameraMemory, inferred: Inferred, probability: NDArray[np.float32], keep: Mask | None
    ) -> Found:
        frame, model = inferred.frame, inferred.model
        height, width = frame.image.shape[:2]
        low_threshold = model.low_threshold
        with self._times.measure("register"):
            motion = memory.motion.of(frame.image, keep)
        if (fusion := memory.fusion(model.inference.scale)) is not None:
            with self._times.measure("fuse"):
                probability = fusion.update(
                    (height, width), probability, model.stamp.threshold, motion, keep, low_threshold
                )
            low_threshold = None  # the fused map has it in it
        seen = self._detect(inferred, probability, low_threshold, keep)
        if memory.tracker is None:
            return Found(frame, seen, seen, probability)
        with self._times.measure("track"):
            tracked = memory.tracker.update(seen, motion, (height, width))
        memory.last = Found(frame, tracked.seen, tracked.told, probability)
        return memory.last

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
