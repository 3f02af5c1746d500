"""The signed metadata on disk, as a web server gives it out: `timestamp.json` and numbered versions of the others.

`timestamp.json` names the snapshot, which names the targets: replacing that one file is what publishes. All that is
written before it is out of every client's sight, and a number that was written once is never written again, so that a
cache may keep numbered files for ever.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp

from fissura.errors import FleetError
from fissura.files import replacing

FROM_A_COPY = "bring the folder `repository` back from a copy"


class MetadataFolder:
    """Reads and writes the files; checks no signature.

    Args:
        folder: `repository/metadata` of a fleet.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def root(self, version: int | None = None) -> Metadata[Root]:
        """A version of the root; None: the newest."""
        return self._read(Root, f"{version or max(1, self.newest(Root.type))}.root.json")

    def timestamp(self) -> Metadata[Timestamp]:
        return self._read(Timestamp, "timestamp.json")

    def snapshot(self, version: int) -> Metadata[Snapshot]:
        return self._read(Snapshot, f"{version}.snapshot.json")

    def targets(self, version: int) -> Metadata[Targets]:
        return self._read(Targets, f"{version}.targets.json")

    def newest(self, role: str) -> int:
        """Highest version of a role that was ever written; 0: none."""
        found = (re.fullmatch(rf"(\d+)\.{role}\.json", path.name) for path in self._folder.iterdir())
        return max((int(match[1]) for match in found if match), default=0)

    def write(self, metadata: Metadata[Any]) -> None:
        """Put a signed document in its place, at once and for good."""
        signed = metadata.signed
        name = "timestamp.json" if isinstance(signed, Timestamp) else f"{signed.version}.{signed.type}.json"
        data = metadata.to_bytes()
        with replacing(self._folder / name) as aside:
            aside.write_bytes(data)

    def describe(self, role: str, version: int) -> MetaFile:
        """Version, length and hash of a file, as the next role states them."""
        return MetaFile.from_data(version, self._bytes(f"{version}.{role}.json"), ["sha256"])

    def _read(self, kind: type[Any], name: str) -> Metadata[Any]:
        try:
            metadata: Metadata[Any] = Metadata.from_bytes(self._bytes(name))
        except RepositoryError as error:
            raise FleetError(f"{self._folder / name} is damaged: {error}", fix=FROM_A_COPY) from error
        if not isinstance(metadata.signed, kind):
            raise FleetError(f"{self._folder / name} is metadata of {metadata.signed.type}", fix=FROM_A_COPY)
        return metadata

    def _bytes(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except OSError as error:
            raise FleetError(f"{self._folder / name} cannot be read: {error}", fix=FROM_A_COPY) from error
