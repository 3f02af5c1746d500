"""The files that the metadata vouches for, each under its name with its hash in front, so that none ever changes."""

from __future__ import annotations

from pathlib import Path

from tuf.api.metadata import TargetFile

from fissura.errors import FleetError
from fissura.files import replacing, sync_folder


class TargetFolder:
    """Puts targets in, and takes out what was put in for nothing.

    Args:
        folder: `repository/targets` of a fleet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._new: list[Path] = []

    def take_file(self, name: str, copy: Path, sha256: str) -> TargetFile:
        """Move a file in.

        Args:
            name: of the target.
            copy: the file, on the same disk.
            sha256: that it has.
        """
        target = TargetFile(copy.stat().st_size, {"sha256": sha256}, name)
        path = self._new_path(target)
        path.parent.mkdir(parents=True, exist_ok=True)
        copy.replace(path)
        sync_folder(path.parent)
        return target

    def add_bytes(self, name: str, data: bytes) -> TargetFile:
        """Write a document."""
        target = TargetFile.from_data(name, data, ["sha256"])
        with replacing(self._new_path(target)) as aside:
            aside.write_bytes(data)
        return target

    def read(self, target: TargetFile) -> bytes:
        """A target's content.

        Raises:
            FleetError: it is missing, or not what the metadata vouches for.
        """
        path = self._path(target)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise FleetError(f"{path} cannot be read: {error}", fix="bring it back from a copy") from error
        if TargetFile.from_data(target.path, data, ["sha256"]).hashes != target.hashes:
            raise FleetError(f"{path} is not the file that was signed", fix="bring it back from a copy")
        return data

    def withdraw(self) -> None:
        """Remove what was added: nobody signed for it, and a full disk needs the room."""
        for path in self._new:
            path.unlink(missing_ok=True)

    def _new_path(self, target: TargetFile) -> Path:
        path = self._path(target)
        if not path.exists():
            self._new.append(path)
        return path

    def _path(self, target: TargetFile) -> Path:
        return self._folder / target.get_prefixed_paths()[0]
