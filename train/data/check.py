"""Finds what is wrong with a data set before a training run does."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from fissura.dataset import list_files, list_images, read_list
from fissura.errors import DatasetError
from train.data.duplicates import Descriptor, describe, similar_pairs
from train.data.pictures import Picture, read_picture


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: its kind, the file, what was found, and what to do."""

    kind: str
    file: str
    found: str
    fix: str


@dataclass
class Report:
    """What a check found.

    Attributes:
        name: the data set.
        images: number of readable images.
        splits: number of IDs in each list file, by its name without suffix.
        unlisted: images in no list file.
        empty_masks: masks without a crack pixel; right for pictures without a crack.
        crack_fraction: share of crack pixels of each readable mask, in [0, 1].
        problems: in the order of the checks.
    """

    name: str
    images: int = 0
    splits: dict[str, int] = field(default_factory=dict)
    unlisted: int = 0
    empty_masks: int = 0
    crack_fraction: list[float] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def add(self, kind: str, file: str, found: str, fix: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(kind, file, found, fix))


@dataclass
class _Set:
    """What the check learns while it reads: enough to compare images without keeping their pixels."""

    sizes: dict[str, tuple[int, int]] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    image_content: dict[str, str] = field(default_factory=dict)
    mask_content: dict[str, str] = field(default_factory=dict)
    descriptors: dict[str, Descriptor] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)


def check_dataset(root: Path) -> Report:
    """Check a folder of `images/`, `masks/` and list files.

    Args:
        root: the data set's folder.

    Raises:
        DatasetError: `images/` is missing or holds no image at all.
    """
    report = Report(root.resolve().name)
    images, masks = list_images(root / "images"), list_images(root / "masks")
    if not images:
        raise DatasetError(f"data set {root} holds no images", expected=f"image files in {root / 'images'}")
    seen = _Set()
    _check_images(images, report, seen)
    _check_masks(masks, report, seen)
    _check_partners(images, masks, report)
    _check_lists(root, {path.stem for path in images}, report, seen)
    _check_duplicates(report, seen)
    return report


def _check_images(paths: list[Path], report: Report, seen: _Set) -> None:
    for path in paths:
        name = f"images/{path.name}"
        if path.stem in seen.files:
            report.add("id-twice", name, f"same ID as {seen.files[path.stem]}", "rename or remove one of the two")
            continue
        seen.files[path.stem] = name
        picture = read_picture(path)
        if isinstance(picture, str):
            report.add("unreadable", name, picture, "copy the file again, or remove it and its ID")
            continue
        report.images += 1
        seen.sizes[path.stem] = picture.size
        seen.image_content[path.stem] = picture.content()
        seen.descriptors[path.stem] = describe(_gray(picture))


def _check_masks(paths: list[Path], report: Report, seen: _Set) -> None:
    for path in paths:
        name = f"masks/{path.name}"
        if path.suffix != ".png":
            report.add("mask-format", name, f"a {path.suffix} file", "save it as .png: lossy files blur the edges")
            continue
        picture = read_picture(path)
        if isinstance(picture, str):
            report.add("unreadable", name, picture, "copy the file again, or remove it and its ID")
            continue
        if path.stem in seen.sizes and picture.size != seen.sizes[path.stem]:
            report.add(
                "size-mismatch",
                name,
                f"{_size(picture.size)}, but its image is {_size(seen.sizes[path.stem])}",
                "draw or scale the mask (nearest neighbour) to the size of the image",
            )
        if picture.pixels.ndim != 2 or picture.mode == "P":
            found = "a palette" if picture.mode == "P" else f"{picture.pixels.shape[2]} channels ({picture.mode})"
            report.add("mask-channels", name, found, "save it as 8-bit grey, one channel, crack 255")
            continue
        _check_values(picture, name, report, seen)


def _check_values(mask: Picture, name: str, report: Report, seen: _Set) -> None:
    pixels = mask.pixels.astype(np.uint8) * 255 if mask.mode == "1" else mask.pixels
    values = np.unique(pixels)
    if not np.isin(values, (0, 255)).all() or pixels.dtype != np.uint8:
        first = ", ".join(str(value) for value in values[:4]) + (", ..." if len(values) > 4 else "")
        strength = "multiply by 255" if values.max() <= 1 else "threshold it at 127"
        report.add("mask-not-binary", name, f"{len(values)} values of type {pixels.dtype}: {first}", strength)
    crack = pixels > 127  # as training reads it
    report.crack_fraction.append(float(crack.mean()))
    if crack.any():
        seen.mask_content[mask.path.stem] = Picture(mask.path, "L", crack).content()
    else:
        report.empty_masks += 1


def _check_partners(images: list[Path], masks: list[Path], report: Report) -> None:
    image_ids, mask_ids = {path.stem for path in images}, {path.stem for path in masks}
    for path in images:
        if path.stem not in mask_ids:
            report.add(
                "no-mask", f"images/{path.name}", f"no masks/{path.stem}.png", "draw the mask, or remove the image"
            )
    for path in masks:
        if path.stem not in image_ids:
            report.add(
                "no-image", f"masks/{path.name}", f"no image of ID {path.stem!r}", "add the image, or remove the mask"
            )


def _check_lists(root: Path, ids: set[str], report: Report, seen: _Set) -> None:
    for split, path in list_files(root, ids).items():
        file = path.name
        try:
            names = read_list(path)
        except DatasetError as error:
            report.add("unreadable", file, str(error.__cause__), "save it as UTF-8 text, one ID a line")
            continue
        report.splits[split] = len(names)
        seen.lists[split] = list(dict.fromkeys(names))
        for name, count in Counter(names).items():
            if name not in ids:
                report.add("no-file", file, f"ID {name!r} has no image", "remove the line, or add the image")
            if count > 1:
                report.add("listed-twice", file, f"ID {name!r} {count} times", "keep one of the lines")
    for name in sorted(set(seen.lists.get("train", [])) & set(seen.lists.get("test", []))):
        report.add("train-and-test", seen.files.get(name, name), "ID in train.txt and test.txt", "remove it from one")
    if seen.lists:
        report.unlisted = len(ids.difference(*seen.lists.values()))


def _check_duplicates(report: Report, seen: _Set) -> None:
    sides = {name: side for side in ("train", "test") for name in seen.lists.get(side, [])}
    for one, other in _equal(seen.image_content):
        across = {sides.get(one), sides.get(other)} == {"train", "test"}
        report.add(
            "duplicate-across-split" if across else "duplicate-image",
            seen.files[one],
            f"same pixels as {seen.files[other]}" + (" on the other side of the split" if across else ""),
            "keep both on one side, or remove one" if across else "remove one of the two",
        )
    for one, other in _equal(seen.mask_content):
        if seen.image_content.get(one) != seen.image_content.get(other):
            found = f"same pixels as masks/{other}.png, but the images differ"
            report.add("duplicate-mask", f"masks/{one}.png", found, "find out whose mask it is; drop the other ID")
    train = [name for name in seen.lists.get("train", []) if name in seen.descriptors]
    test = [name for name in seen.lists.get("test", []) if name in seen.descriptors]
    descriptors = [seen.descriptors[name] for name in train], [seen.descriptors[name] for name in test]
    for row, column, similarity in similar_pairs(*descriptors):
        one, other = train[row], test[column]
        if seen.image_content[one] != seen.image_content[other]:
            found = f"the same picture as {seen.files[other]} of the test list (similarity {similarity:.2f})"
            report.add("near-duplicate", seen.files[one], found, "look at both; keep them on one side of the split")


def _equal(content: dict[str, str]) -> Iterator[tuple[str, str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for name, digest in content.items():
        groups[digest].append(name)
    for first, *others in groups.values():
        yield from ((first, other) for other in others)


def _gray(picture: Picture) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    pixels = picture.pixels
    if pixels.dtype != np.uint8:  # 1-bit or 16-bit: the texture is all that matters here
        pixels = cv2.normalize(pixels.astype(np.float32), None, 0, 255, cv2.NORM_MINMAX)
    gray = pixels if pixels.ndim == 2 else pixels[..., :3].mean(axis=2)
    return gray.astype(np.uint8)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
