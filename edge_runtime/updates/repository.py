"""The fleet's repository as a device sees it. Everything it says has passed TUF's checks, and nothing else is used."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from tuf.api.exceptions import DownloadError, ExpiredMetadataError
from tuf.api.exceptions import RepositoryError as TufError
from tuf.api.metadata import Metadata, Root, TargetFile, Timestamp
from tuf.api.serialization import DeserializationError
from tuf.ngclient import Updater
from urllib3.exceptions import HTTPError

from edge_runtime.updates.fetcher import Fetcher
from edge_runtime.updates.http import Http
from fissura.errors import ConfigError, ReleaseError, RepositoryError
from fissura.release import LARGEST_DOCUMENT, Channel, Release, channel_target, read_document, release_target

logger = logging.getLogger(__name__)

D = TypeVar("D", Channel, Release)
LONGEST_S = 300.0  # for one document of metadata, a megabyte at most


@dataclass(frozen=True)
class Target:
    """A file that the repository vouches for.

    Attributes:
        url: where it is.
        file: its length and hashes, as they were signed.
    """

    url: str
    file: TargetFile


class View:
    """The repository at one moment. Made by `TrustedRepository.look`.

    Args:
        updater: refreshed.
        targets_url: with a slash at the end.
        expires_utc: until when it may be believed without another look.
    """

    def __init__(self, updater: Updater, targets_url: str, expires_utc: datetime) -> None:
        self._updater = updater
        self._targets_url = targets_url
        self.expires_utc = expires_utc

    def channel(self, name: str) -> Channel:
        """What a channel gives out.

        Raises:
            RepositoryError: there is none of that name, or it cannot be had.
        """
        channel = self._document(Channel, channel_target(name))
        if channel.channel != name:
            raise RepositoryError(f"signed: {channel_target(name)} is that of channel {channel.channel!r}")
        return channel

    def release(self, model: str, number: int) -> Release:
        """What a release consists of.

        Raises:
            RepositoryError: there is none, or it cannot be had.
        """
        release = self._document(Release, release_target(model, number))
        if (release.model, release.release) != (model, number):
            raise RepositoryError(
                f"signed: {release_target(model, number)} is that of {release.model} {release.release}"
            )
        return release

    def target(self, name: str) -> Target:
        """Where a file is, and what it has to be.

        Raises:
            RepositoryError: the repository vouches for no such file.
        """
        with _translated():
            file = self._updater.get_targetinfo(name)
        if file is None:
            raise RepositoryError(f"missing: the repository has no {name}", fix="publish it, or correct the channel")
        folder, slash, base = name.rpartition("/")
        digest = file.hashes.get("sha256")
        if digest is None:
            raise RepositoryError(f"signed: {name} has no SHA-256")
        return Target(self._targets_url + quote(f"{folder}{slash}{digest}.{base}"), file)

    def _document(self, kind: type[D], name: str) -> D:
        file = self.target(name).file
        if file.length > LARGEST_DOCUMENT:
            raise RepositoryError(f"size: {name} has {file.length} bytes", expected=f"{LARGEST_DOCUMENT} at most")
        with _translated():
            path = self._updater.find_cached_target(file) or self._updater.download_target(file)
        try:
            return read_document(kind, Path(path).read_bytes(), name)
        except ReleaseError as error:
            raise RepositoryError(f"signed: {error.found}", expected=error.expected) from error


class TrustedRepository:
    """Looks into the repository.

    Args:
        url: of the repository.
        root: the signed root.json that the device came with.
        folder: for the metadata that were believed last; must outlive restarts, or an attacker can turn back time.
        timeout_s: for a connection, and between two bytes.
        longest_s: for one document.
    """

    def __init__(
        self, url: str, root: bytes, folder: Path, timeout_s: float = 30.0, longest_s: float = LONGEST_S
    ) -> None:
        self._url = url.rstrip("/")
        self._root = root
        self._folder = folder
        self._fetcher = Fetcher(Http(url, timeout_s), longest_s)

    def look(self, stopping: threading.Event | None = None) -> View:
        """Fetch and check what is new.

        Args:
            stopping: ends it, and what the view fetches; the repository then seems out of reach.

        Raises:
            RepositoryError: it cannot be reached, or is not to be trusted: ``expired: ...``, ``signed: ...``.
        """
        self._fetcher.stopping = stopping or threading.Event()
        documents = self._folder / "documents"
        documents.mkdir(parents=True, exist_ok=True)
        with _translated():
            updater = Updater(
                str(self._folder),
                f"{self._url}/metadata/",
                str(documents),
                f"{self._url}/targets/",
                self._fetcher,
                bootstrap=self._root,
            )
            updater.refresh()
            # The timestamp is what expires first, by its nature; the client has just checked and written it.
            timestamp = Metadata[Timestamp].from_file(str(self._folder / "timestamp.json")).signed
        return View(updater, f"{self._url}/targets/", timestamp.expires)


def read_root(path: Path) -> bytes:
    """The root.json that the device came with.

    Raises:
        ConfigError: it cannot be read, or is something else.
    """
    try:
        data = path.read_bytes()
        if (found := Metadata[Any].from_bytes(data).signed.type) != Root.type:
            raise DeserializationError(f"it is the {found} of a repository")
        return data
    except (OSError, DeserializationError) as error:
        raise ConfigError(
            f"root {path} cannot be read: {error}",
            expected="the first root.json of the fleet's repository",
            fix="copy metadata/1.root.json of the repository onto the device",
        ) from error


@contextmanager
def _translated() -> Iterator[None]:
    """Raise what the TUF client and HTTP raise as `RepositoryError`, once, with a word for the reason."""
    try:
        yield
    except ExpiredMetadataError as error:
        raise RepositoryError(
            f"expired: {error}", expected="metadata that are valid today", fix="fissura fleet refresh; or set the clock"
        ) from error
    except (DownloadError, HTTPError) as error:  # a transfer that breaks raises urllib3's own
        cause = error.__cause__ or error
        raise RepositoryError(f"unreachable: {error}{'' if cause is error else f': {cause}'}") from error
    except TufError as error:
        raise RepositoryError(
            f"signed: {error}", expected="metadata signed with the keys of the fleet, and none that are older"
        ) from error
