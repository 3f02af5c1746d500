"""The frames of all cameras that wait for the one engine."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from edge_runtime.camera import Camera
from edge_runtime.frame import Frame
from edge_runtime.slot import FrameSlot


@dataclass(frozen=True)
class Arrival:
    """A frame, and the camera that it is from."""

    camera: Camera
    frame: Frame


class Arrivals:
    """A slot for each camera, emptied in turn, so that no camera starves another.

    Attributes:
        slots: in the order of the cameras.
    """

    def __init__(self, cameras: Sequence[Camera]) -> None:
        self._cameras = cameras
        self._changed = threading.Condition()
        self.slots = [FrameSlot(camera.policy, self._changed) for camera in cameras]
        self._first = 0  # whose turn it is

    def take(self, most: int, timeout_s: float) -> list[Arrival]:
        """Take waiting frames, at most one of each camera.

        Args:
            most: frames. Those after the first are of its size, so that they can be run as one batch.
            timeout_s: how long to wait for the first.

        Returns:
            None came within the time, or none will come any more: an empty list.
        """
        with self._changed:
            self._changed.wait_for(self._worth_a_look, timeout_s)
            taken: list[Arrival] = []
            for number in self._in_turn():  # made before the turn goes on
                waiting = self.slots[number].next()
                if waiting is None or (taken and waiting.image.shape != taken[0].frame.image.shape):
                    continue
                self._first = (number + 1) % len(self.slots)
                self.slots[number].take()
                taken.append(Arrival(self._cameras[number], waiting))
                if len(taken) == most:
                    break
            return taken

    def wake(self) -> None:
        """Look again: what one waits for has changed elsewhere."""
        with self._changed:
            self._changed.notify_all()

    def waiting(self) -> dict[str, int]:
        """Frames that wait, by camera."""
        return {camera.name: len(slot) for camera, slot in zip(self._cameras, self.slots, strict=True)}

    @property
    def exhausted(self) -> bool:
        """No camera will give another frame, and every one is taken."""
        return all(slot.exhausted for slot in self.slots)

    def _in_turn(self) -> list[int]:
        count = len(self.slots)
        return [(self._first + step) % count for step in range(count)]

    def _worth_a_look(self) -> bool:
        return any(len(slot) for slot in self.slots) or self.exhausted
