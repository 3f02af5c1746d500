"""Brings a release onto the device: what is missing is fetched, checked and laid out. May be repeated after a cut."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from edge_runtime.updates.assemble import assemble
from edge_runtime.updates.config import DownloadConfig
from edge_runtime.updates.download import Downloader
from edge_runtime.updates.http import Http
from edge_runtime.updates.layout import Layout
from edge_runtime.updates.repository import View
from edge_runtime.updates.store import Store
from fissura.errors import HashMismatchError, UpdateError
from fissura.release import Release, ReleaseFile, release_target

logger = logging.getLogger(__name__)


class AlteredError(UpdateError):
    """What came is not what was signed: somebody on the way changes it, which says nothing about the release."""


class Preparation:
    """One release on its way onto the device.

    Args:
        layout: of the device.
        config: limits.
        http: connections to the repository.
        view: of the repository, that the release comes from.
        release: its document.
        stopping: set when the process is to end; what was done then is taken up again.
    """

    def __init__(
        self,
        layout: Layout,
        config: DownloadConfig,
        http: Http,
        view: View,
        release: Release,
        stopping: threading.Event,
    ) -> None:
        self._layout = layout
        self._config = config
        self._view = view
        self._release = release
        self._stopping = stopping
        self._store = Store(layout)
        self._downloader = Downloader(http, config, stopping)

    def check_space(self) -> None:
        """Check that what is missing finds room.

        Raises:
            DeferredError: it does not.
        """
        self._store.check_space(self._missing(), self._config.margin_bytes)

    def download(self) -> dict[str, float]:
        """Fetch what is missing; returns how much that was.

        Raises:
            RepositoryError: the server does not deliver.
            AlteredError: it delivers something else, twice.
            HashMismatchError: what is signed contradicts itself.
        """
        for file in self._missing():
            self._fetch(file)
        return {"bytes": float(self._downloader.received_bytes)}

    def lay_out(self) -> Path:
        """Make the release's folder of the files; returns its bundle."""
        return assemble(self._layout, self._store, self._release)

    def _missing(self) -> list[ReleaseFile]:
        return [file for file in self._release.files if not self._store.has(file)]

    def _fetch(self, file: ReleaseFile) -> None:
        target = self._view.target(release_target(self._release.model, self._release.release, file.path))
        if (target.file.length, target.file.hashes["sha256"]) != (file.length, file.sha256):
            raise HashMismatchError(f"{target.file.path} is signed with one hash, the release states another")
        partial = self._store.partial(file.sha256)
        for again in (False, True):
            self._downloader.fetch(target, partial)
            if self._stopping.is_set():  # perhaps not whole; the next one goes on
                return
            try:
                self._store.admit(file, target)
                return
            except HashMismatchError as error:
                if again:
                    raise AlteredError(error.found) from error
                # What an earlier process left may have been damaged since, by a power cut for example.
                logger.warning("%s, fetched again from its first byte", error.found)
