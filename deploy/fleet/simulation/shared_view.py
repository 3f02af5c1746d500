"""What the signed repository says, for all protocol-only devices: the real TUF client looks once a version for them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from edge_runtime.updates.repository import TrustedRepository
from fissura.errors import RepositoryError
from fissura.release import Channel, Release, release_target


class Sight(NamedTuple):
    """The repository at one moment.

    Attributes:
        channel: None: there is none yet.
        release: that the channel gives out.
        paths: of the release's files at the server, with their SHA-256.
    """

    channel: Channel | None
    release: Release | None
    paths: tuple[tuple[str, str], ...]


class SharedView:
    """For one thread.

    Args:
        url: of the repository.
        root: its first root.json.
        folder: for the metadata.
        channel: that is followed.
    """

    def __init__(self, url: str, root: bytes, folder: Path, channel: str) -> None:
        self._repository = TrustedRepository(url, root, folder)
        self._channel = channel
        self._stamp = b""
        self._sight = Sight(None, None, ())

    def at(self, timestamp: bytes) -> Sight:
        """What a device that has fetched this timestamp.json would find.

        Raises:
            RepositoryError: it cannot be reached, or is not to be trusted.
        """
        stamp = hashlib.sha256(timestamp).digest()
        if stamp != self._stamp:
            self._sight = self._look()
            self._stamp = stamp
        return self._sight

    def _look(self) -> Sight:
        view = self._repository.look()
        try:
            channel = view.channel(self._channel)
        except RepositoryError as error:
            if not error.found.startswith("missing"):
                raise
            return Sight(None, None, ())
        release = view.release(channel.model, channel.release)
        paths = []
        for file in release.files:
            target = view.target(release_target(release.model, release.release, file.path))
            paths.append((urlsplit(target.url).path, file.sha256))
        return Sight(channel, release, tuple(paths))
