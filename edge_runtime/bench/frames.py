"""The frames of a benchmark: decoded beforehand, so that no camera and no file is measured with them."""

from __future__ import annotations

from pathlib import Path

from fissura.errors import ImageError
from fissura.imaging.images import IMAGE_SUFFIXES, RgbImage, read_rgb
from fissura.synth import SynthConfig, render

SYNTHETIC = 4
MOST_BYTES = 256 << 20  # of decoded images; a frame that is used again is as good as a new one


def synthetic_frames(size: tuple[int, int]) -> list[RgbImage]:
    """A few frames of pavement, always the same; `size` is width and height, pixels."""
    width, height = size
    return [render(SynthConfig(width=width, height=height), 0, index).image for index in range(SYNTHETIC)]


def frames_from(folder: Path, most: int) -> list[RgbImage]:
    """The images of a folder in the order of their names.

    Args:
        folder: with images of one size; what is no image is passed over.
        most: so many at most, and no more than 256 MB of them.

    Returns:
        (H, W, 3) uint8 RGB frames, one at least.

    Raises:
        ImageError: there is none, one cannot be read, or their sizes differ.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    except OSError as error:
        raise ImageError(f"{folder} cannot be read: {error.strerror}", expected="a folder of images") from error
    frames: list[RgbImage] = []
    for path in paths[:most]:
        frame = read_rgb(path)
        if frames and frame.shape != frames[0].shape:
            raise ImageError(
                f"{path.name} is {frame.shape[1]}x{frame.shape[0]} pixels, {paths[0].name} is "
                f"{frames[0].shape[1]}x{frames[0].shape[0]}",
                expected="frames of one size, as a camera gives them",
            )
        frames.append(frame)
        if (len(frames) + 1) * frame.nbytes > MOST_BYTES:
            break
    if not frames:
        raise ImageError(f"{folder} holds no image", expected=f"files that end in {', '.join(IMAGE_SUFFIXES)}")
    return frames
