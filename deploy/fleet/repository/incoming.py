"""Copies of a bundle's files, made before the publisher's lock is taken: gigabytes must not hold up a roll-out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fissura.bundle import MANIFEST_NAME, Bundle
from fissura.errors import HashMismatchError
from fissura.files import sha256

INCOMING_NAME = ".incoming"  # within the targets, so that the copies can be moved to their places


@contextmanager
def incoming(bundle: Bundle, targets: Path) -> Iterator[dict[str, Path]]:
    """Copy all files of a bundle. Only for whoever holds the copier's lock.

    Gives the copies by the files' paths in the bundle, whole and on the disk; those that nobody takes are removed.

    Raises:
        HashMismatchError: a file changed since the bundle was looked at.
    """
    folder = targets / INCOMING_NAME
    shutil.rmtree(folder, ignore_errors=True)  # of one that was killed
    folder.mkdir(parents=True)
    files = {MANIFEST_NAME: bundle.id, **{name: entry.sha256 for name, entry in bundle.manifest.files.items()}}
    try:
        copies = {name: folder / str(number) for number, name in enumerate(files)}
        for name, copy in copies.items():
            _copy(bundle.path / name, copy, files[name])
        yield copies
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _copy(source: Path, copy: Path, expected: str) -> None:
    shutil.copyfile(source, copy)
    if (found := sha256(copy)) != expected:
        raise HashMismatchError(
            f"{source} changed while it was copied: its SHA-256 is {found} now",
            expected=expected,
            fix="publish a bundle that nobody writes to",
        )
    copy.chmod(0o644)
    with copy.open("rb+") as stream:
        os.fsync(stream.fileno())
