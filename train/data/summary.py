"""A data set at a glance: one row of `fissura data list`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from fissura.dataset import find_images, list_files, read_list
from fissura.errors import DatasetError, ImageError
from fissura.imaging.images import read_mask


@dataclass(frozen=True)
class Summary:
    """One data set.

    Attributes:
        name: its folder's name.
        images: number of image files.
        splits: IDs in each list file that names images, by the file's name without suffix.
        smallest: width and height of the image with the fewest pixels; None where none can be read.
        largest: width and height of the image with the most pixels.
        crack_percent: mean share of crack pixels of the masks, in percent; None without a readable mask.
    """

    name: str
    images: int
    splits: dict[str, int]
    smallest: tuple[int, int] | None
    largest: tuple[int, int] | None
    crack_percent: float | None


def summarise(root: Path) -> Summary:
    """Sum up a data set; what cannot be read is left out (`fissura data check` names it)."""
    try:
        images = find_images(root)
    except DatasetError:
        return Summary(root.name, 0, {}, None, None, None)
    sizes = sorted(
        (size for size in map(_size, images.values()) if size is not None), key=lambda size: size[0] * size[1]
    )
    shares = [share for share in (_crack_share(root / "masks" / f"{name}.png") for name in images) if share is not None]
    return Summary(
        name=root.name,
        images=len(images),
        splits={
            name: count for name, path in list_files(root, set(images)).items() if (count := _length(path)) is not None
        },
        smallest=sizes[0] if sizes else None,
        largest=sizes[-1] if sizes else None,
        crack_percent=100 * sum(shares) / len(shares) if shares else None,
    )


def _length(path: Path) -> int | None:
    try:
        return len(read_list(path))
    except DatasetError:
        return None


def _size(path: Path) -> tuple[int, int] | None:
    try:
        with Image.open(path) as image:  # reads the header only
            return image.size
    except (OSError, UnidentifiedImageError):
        return None


def _crack_share(path: Path) -> float | None:
    try:
        return float(read_mask(path).mean())
    except ImageError:
        return None
