"""Files that are whole, named by their hash. Releases are hard links into it: what they share lies here once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from tuf.api.exceptions import LengthOrHashMismatchError

from edge_runtime.updates.layout import Layout
from edge_runtime.updates.repository import Target
from fissura.errors import DeferredError, HashMismatchError
from fissura.files import sha256, sync_folder
from fissura.release import ReleaseFile


class Store:
    """`partial/` and `store/` of a device.

    Args:
        layout: of the device.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def path(self, digest: str) -> Path:
        """Where a whole file lies."""
        return self._layout.store / digest

    def partial(self, digest: str) -> Path:
        """Where a file under way lies."""
        return self._layout.partial / digest

    def has(self, file: ReleaseFile) -> bool:
        """Whether a file is there and undamaged; a damaged one is removed, to be fetched again."""
        path = self.path(file.sha256)
        if not path.is_file():
            return False
        if path.stat().st_size == file.length and sha256(path) == file.sha256:
            return True
        path.unlink()
        return False

    def check_space(self, files: Iterable[ReleaseFile], margin_bytes: int) -> None:
        """Check that what is missing finds room.

        Args:
            files: that are missing.
            margin_bytes: that has to stay free.

        Raises:
            DeferredError: it does not.
        """
        need = sum(file.length - self._came(file) for file in files)
        free = shutil.disk_usage(self._layout.root).free
        if need + margin_bytes > free:
            raise DeferredError(
                f"disk: {free} bytes are free",
                expected=f"{need} for the release and {margin_bytes} to spare",
                fix="make room, or lower `download.margin_bytes`",
            )

    def admit(self, file: ReleaseFile, target: Target) -> None:
        """Move a file that has come into the store, if it is what was signed; else it is removed.

        Raises:
            HashMismatchError: it is not.
        """
        partial = self.partial(file.sha256)
        try:
            with partial.open("rb") as stream:
                target.file.verify_length_and_hashes(stream)
                os.fsync(stream.fileno())
        except LengthOrHashMismatchError as error:
            partial.unlink()
            raise HashMismatchError(f"tampered: {target.file.path}: {error}") from error
        partial.replace(self.path(file.sha256))
        sync_folder(self._layout.store)

    def _came(self, file: ReleaseFile) -> int:
        partial = self.partial(file.sha256)
        return min(partial.stat().st_size, file.length) if partial.is_file() else 0
