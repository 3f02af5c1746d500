"""How the picture of a camera moves from one frame that is looked at to the next: found once, for all who need it."""

from __future__ import annotations

from edge_runtime.registration import Motion, RegistrationConfig, View, register, view_of
from fissura.imaging.images import Mask, RgbImage


class CameraMotion:
    """Registers each frame of a camera with the one before.

    Args:
        config: see `RegistrationConfig`.

    Attributes:
        joined: frames whose motion was found.
        alone: frames that stood alone: the first, those after `forget`, and those that could not be registered.
    """

    def __init__(self, config: RegistrationConfig) -> None:
        self._config = config
        self._before: View | None = None
        self.joined = self.alone = 0

    def of(self, frame: RgbImage, keep: Mask | None = None) -> Motion | None:
        """The motion into this frame; None where it stands alone.

        Args:
            frame: (H, W, 3) uint8 RGB.
            keep: (H, W) bool, what belongs to the ground; None: all of the frame.
        """
        now = view_of(frame, keep)
        motion = None if self._before is None else register(self._before, now, self._config)
        self._before = now
        self.joined, self.alone = self.joined + (motion is not None), self.alone + (motion is None)
        return motion

    def forget(self) -> None:
        """Let the next frame stand alone: what was to move along with this one has not."""
        self._before = None
