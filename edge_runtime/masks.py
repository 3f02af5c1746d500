"""Which part of the frame is looked at: a region of interest, less what is to be ignored (a bonnet, a rotor)."""

from __future__ import annotations

from pathlib import Path

from fissura.errors import ImageError
from fissura.imaging.images import Mask, read_mask


class Region:
    """A mask of the camera frame: True where cracks count."""

    def __init__(self, keep: Mask, origin: str) -> None:
        self._keep = keep
        self._origin = origin

    def for_frame(self, height: int, width: int) -> Mask:
        """The mask, (H, W) bool.

        Raises:
            ImageError: the frame has another size than the mask.
        """
        if self._keep.shape != (height, width):
            raise ImageError(
                f"the frame is {width}x{height} pixels, but {self._origin} {_size(self._keep)}",
                expected="masks of the camera frame's size",
                fix="draw the mask on a frame of this camera",
            )
        return self._keep


def read_region(roi: Path | None, ignore: Path | None) -> Region | None:
    """Read the masks: white marks the region of interest, or what is to be ignored.

    Returns:
        None where neither is given: the whole frame counts.

    Raises:
        ImageError: a mask cannot be read, or the two differ in size.
    """
    if roi is None and ignore is None:
        return None
    inside = None if roi is None else read_mask(roi)
    outside = None if ignore is None else read_mask(ignore)
    if inside is not None and outside is not None and inside.shape != outside.shape:
        raise ImageError(
            f"the masks differ: {roi} {_size(inside)}, {ignore} {_size(outside)}",
            expected="both of the camera frame's size",
        )
    if inside is None:
        assert outside is not None
        return Region(~outside, f"the mask {ignore}")
    return Region(inside if outside is None else inside & ~outside, f"the mask {roi}")


def _size(mask: Mask) -> str:
    return f"is {mask.shape[1]}x{mask.shape[0]}"
