"""Writing files so that a kill, a full disk or a power cut leaves the old file or the new one, never half."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file, read in blocks (files may be larger than memory)."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk: a rename is durable only after this."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; on success it replaces `path`, on an exception it is removed.

    The temporary name keeps the suffix, since writers such as `cv2.imwrite` choose the format by it.

    Example:
        >>> with replacing(Path("report.json")) as aside:  # doctest: +SKIP
        ...     aside.write_text("{}")
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        aside.chmod(0o644)  # mkstemp makes files that only their owner can read
        with aside.open("rb+") as stream:
            os.fsync(stream.fileno())
        aside.replace(path)
        sync_folder(path.parent)
    except BaseException:
        with suppress(FileNotFoundError):
            aside.unlink()
        raise


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Give a temporary folder beside `path`; on success it takes the place of `path`.

    A folder that stands at `path` already is moved away first and deleted afterwards: between the two renames
    there is no folder of that name, but never a half-written one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    try:
        yield aside
        aside.chmod(0o755)
        _sync_tree(aside)
        _take_place(aside, path)
        sync_folder(path.parent)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _sync_tree(folder: Path) -> None:
    for parent, _, names in os.walk(folder):
        for name in names:
            descriptor = os.open(Path(parent, name), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        sync_folder(Path(parent))


def _take_place(aside: Path, path: Path) -> None:
    """Rename a folder over another; when the second rename fails, the old folder stands again."""
    if not path.exists():
        aside.replace(path)
        return
    attic = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-old-"))
    old = attic / path.name
    path.replace(old)
    try:
        aside.replace(path)
    except BaseException:
        old.replace(path)
        attic.rmdir()
        raise
    shutil.rmtree(attic, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file in one step (see `replacing`)."""
    with replacing(path) as aside:
        aside.write_text(text, encoding="utf-8")
