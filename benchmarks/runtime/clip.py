"""A video of a data set's images, one a frame, for all peers alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2

from fissura.dataset import find_dataset, load_dataset
from fissura.errors import SourceError

FPS = 30.0
CODEC = "mp4v"  # MPEG-4 part 2: what OpenCV's wheels write everywhere


def images_of(data: str, size: tuple[int, int]) -> list[Path]:
    """The images of a data set, of that width and height all of them.

    Raises:
        DatasetError: there is no such data set.
        SourceError: an image has another size.
    """
    paths = [sample.image for sample in load_dataset(find_dataset(data), "all").samples]
    for path in paths:
        image = cv2.imread(str(path))
        if image is None or (image.shape[1], image.shape[0]) != size:
            raise SourceError(f"{path} is not of {size[0]}x{size[1]} pixels", fix="choose another --data or --size")
    return paths


def write_clip(path: Path, images: Sequence[Path], frames: int, size: tuple[int, int]) -> None:
    """Write so many frames, the images over and over again.

    Raises:
        SourceError: OpenCV has no encoder here.
    """
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*CODEC), FPS, size)
    if not writer.isOpened():
        raise SourceError(f"{path} cannot be written as {CODEC}", expected="an OpenCV with FFmpeg")
    for index in range(frames):
        writer.write(cv2.imread(str(images[index % len(images)])))
    writer.release()
