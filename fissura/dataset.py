"""Image/mask folders: how a data set lies on disk, its split, and its fingerprint.

::

    SET/images/ID.{jpg,png,...}   SET/masks/ID.png   SET/train.txt   SET/test.txt   (one ID a line)

Other labels of the same images lie in folders beside `masks/`, for example CFD's `boundaries/`.

Without `train.txt` and `test.txt` the split is drawn with a seed (`draw_split`). `FISSURA_DATA` names a folder of such
sets.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fissura.errors import DatasetError, ImageError
from fissura.files import sha256
from fissura.imaging.images import IMAGE_SUFFIXES, Mask, RgbImage, read_mask, read_rgb

DATA_VARIABLE = "FISSURA_DATA"
DRAWN_TEST_SHARE = 0.2


@dataclass(frozen=True)
class Sample:
    """One image and its mask, by path."""

    id: str
    image: Path
    mask: Path


@dataclass(frozen=True)
class Dataset:
    """A split of a data set.

    Attributes:
        root: the folder.
        split: name of the split.
        samples: in the order of the list file, or sorted by ID.
    """

    root: Path
    split: str
    samples: tuple[Sample, ...]

    @property
    def name(self) -> str:
        """Name of the set: its folder's."""
        return self.root.name

    @property
    def labels(self) -> str:
        """Name of the folder that holds the masks."""
        return self.samples[0].mask.parent.name

    def fingerprint(self) -> str:
        """SHA-256 over IDs and contents of images and masks, in the split's order."""
        digest = hashlib.sha256()
        for sample in self.samples:
            digest.update(f"{sample.id} {sha256(sample.image)} {sha256(sample.mask)}\n".encode())
        return digest.hexdigest()


def data_folder() -> Path | None:
    """The folder of data sets that `FISSURA_DATA` names; None where it is not set or not there."""
    value = os.environ.get(DATA_VARIABLE)
    return Path(value) if value and Path(value).is_dir() else None


def find_dataset(name: str) -> Path:
    """Folder of a data set, given its path or its name below `FISSURA_DATA`.

    Raises:
        DatasetError: there is no such folder.
    """
    given = Path(name)
    if given.is_dir():
        return given
    folder = data_folder()
    if folder is not None and (folder / name).is_dir():
        return folder / name
    known = [path.name for path in find_datasets(folder)] if folder else []
    near = difflib.get_close_matches(name, known, n=1)
    raise DatasetError(
        f"there is no data set {name!r}",
        expected=f"a folder, or one of: {', '.join(known)}" if known else "a folder that holds `images/` and `masks/`",
        fix=f"did you mean {near[0]!r}?" if near else _where_sets_are(folder),
    )


def _where_sets_are(folder: Path | None) -> str:
    if folder is not None:
        return "check the path"
    value = os.environ.get(DATA_VARIABLE)
    wanted = f"set {DATA_VARIABLE} to the folder that holds your data sets"
    return f"{wanted}; it is {value!r}, which is no folder" if value else wanted


def find_datasets(folder: Path) -> list[Path]:
    """Data sets directly below a folder, sorted: those that hold `images/`."""
    return sorted(path for path in folder.iterdir() if (path / "images").is_dir())


def load_dataset(
    root: Path, split: str, *, drop: tuple[str, ...] = (), seed: int = 0, labels: str = "masks"
) -> Dataset:
    """List the samples of a split.

    Args:
        root: folder with `images/` and `masks/`.
        split: name of a list file without its suffix (``train``, ``test``), or ``all``.
        drop: IDs to leave out.
        seed: of the drawn split, where the folder has neither `train.txt` nor `test.txt`; see `draw_split`.
        labels: folder of the masks.

    Raises:
        DatasetError: no images, no such split, no such labels, an ID without image or mask, or nothing left.
    """
    images = find_images(root)
    if labels != "masks" and not (root / labels).is_dir():
        raise DatasetError(
            f"data set {root} has no labels {labels!r}",
            expected=f"a folder {root / labels} with a mask for each image",
            fix="name another folder of labels; `masks` is the usual one",
        )
    ids = [name for name in _split_ids(root, split, sorted(images), seed) if name not in drop]
    if not ids:
        raise DatasetError(f"split {split!r} of {root} is empty", expected="at least one ID")
    samples = []
    for name in ids:
        mask = root / labels / f"{name}.png"
        if name not in images or not mask.is_file():
            lacking = "image" if name not in images else "mask"
            where = root / ("images" if name not in images else labels)
            raise DatasetError(
                f"{root}: {name!r} of split {split!r} has no {lacking} in {where}",
                expected=f"{where / name}.png",
                fix=f"see `fissura data check {root}`",
            )
        samples.append(Sample(name, images[name], mask))
    return Dataset(root, split, tuple(samples))


def find_images(root: Path) -> dict[str, Path]:
    """Images of a data set by ID (the file name without its suffix).

    Raises:
        DatasetError: there are none, or two files share an ID.
    """
    folder = root / "images"
    found: dict[str, Path] = {}
    for path in list_images(folder):
        if path.stem in found:
            raise DatasetError(f"{folder} holds {found[path.stem].name} and {path.name}", expected="one image an ID")
        found[path.stem] = path
    if not found:
        raise DatasetError(
            f"data set {root} holds no images",
            expected=f"{folder}/ with {', '.join(IMAGE_SUFFIXES)} files",
            fix="check the path",
        )
    return found


def list_images(folder: Path) -> list[Path]:
    """Image files of a folder, sorted; hidden files are left out. Empty where there is no such folder."""
    if not folder.is_dir():
        return []
    found = (path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != ".")
    return sorted(found)


def list_files(root: Path, ids: set[str]) -> dict[str, Path]:
    """The list files of a data set, by name without suffix: train, test, then the others.

    A text file other than `train.txt` and `test.txt` whose lines name no image is no list but notes or a licence.

    Args:
        root: folder of the data set.
        ids: of its images.
    """
    found = {}
    for path in sorted(root.glob("*.txt"), key=lambda path: (path.stem != "train", path.stem != "test", path.stem)):
        if path.stem in ("train", "test"):
            found[path.stem] = path
        elif path.is_file():
            names = _lines(path.read_bytes().decode("utf-8-sig", errors="replace"))
            if not names or ids.intersection(names):
                found[path.stem] = path
    return found


def read_list(path: Path) -> list[str]:
    """IDs of a list file, one a line, in their order; empty lines and a byte order mark are skipped.

    Raises:
        DatasetError: it cannot be read, or is no UTF-8.
    """
    try:
        return _lines(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read: {error}", expected="one ID a line, in UTF-8") from error


def draw_split(ids: Sequence[str], seed: int) -> tuple[list[str], list[str]]:
    """Divide IDs into training and test list, each sorted: a fifth for the test, a single ID for training.

    The same IDs in the same order give the same lists for the same seed.
    """
    drawn = list(ids)
    random.Random(seed).shuffle(drawn)
    count = max(1, round(DRAWN_TEST_SHARE * len(drawn))) if len(drawn) > 1 else 0
    return sorted(drawn[count:]), sorted(drawn[:count])


def read_sample(sample: Sample) -> tuple[RgbImage, Mask]:
    """Read image and mask: (H, W, 3) uint8 RGB and (H, W) bool.

    Raises:
        ImageError: one cannot be read, or their sizes differ.
    """
    image, mask = read_rgb(sample.image), read_mask(sample.mask)
    if image.shape[:2] != mask.shape:
        raise ImageError(
            f"mask {sample.mask} is {mask.shape[1]}x{mask.shape[0]} pixels",
            expected=f"the size of its image {sample.image.name}: {image.shape[1]}x{image.shape[0]}",
            fix="see `fissura data check`",
        )
    return image, mask


def _split_ids(root: Path, split: str, ids: list[str], seed: int) -> list[str]:
    if split == "all":
        return ids
    texts = {path.stem: path for path in root.glob("*.txt")}
    if split in texts:  # whoever names a file means it as a list, whatever stands in it
        return read_list(texts[split])
    lists = list_files(root, set(ids))
    drawn = () if "train" in lists or "test" in lists else ("train", "test")
    if split not in drawn:
        offered = ("all", *drawn, *lists)
        raise DatasetError(f"data set {root} has no split {split!r}", expected=f"one of: {', '.join(offered)}")
    train, test = draw_split(ids, seed)
    return test if split == "test" else train


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
