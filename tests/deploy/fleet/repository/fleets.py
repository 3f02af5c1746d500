"""A fleet to publish in, bundles to publish, and what a device sees of it: python-tuf's own client over HTTP."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tuf.ngclient import Updater

from deploy.fleet.home import FleetHome
from deploy.fleet.repository.create import create_fleet
from deploy.fleet.repository.repository import Repository
from deploy.fleet.settings import FleetSettings
from fissura.bundle import MANIFEST_NAME
from fissura.release import Channel, Release, channel_target, read_document, release_target

PASSPHRASE = "five random words do"
MODEL = "darker-than-around"


def make_home(root: Path) -> FleetHome:
    home = FleetHome(root)
    create_fleet(home, FleetSettings(name="test"), PASSPHRASE)
    return home


def another(bundle: Path, folder: Path, seed: int) -> Path:
    """A copy of a bundle that is another one: its lineage says so."""
    shutil.copytree(bundle, folder)
    path = folder / MANIFEST_NAME
    manifest = json.loads(path.read_text())
    manifest["lineage"]["seed"] = seed
    path.write_text(json.dumps(manifest))
    return folder


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def served(home: FleetHome) -> Iterator[str]:
    """The repository behind a real HTTP server; gives its address."""
    handler = partial(_Silent, directory=str(home.metadata.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class Device:
    """A client with a state of its own, which was given `1.root.json` once."""

    def __init__(self, home: FleetHome, url: str, state: Path) -> None:
        self._root = (home.metadata / "1.root.json").read_bytes()
        self._url = url
        self._state = state
        self.root_version = 1

    def channel(self, name: str = "stable") -> Channel | None:
        updater = self._updater()
        target = updater.get_targetinfo(channel_target(name))
        return None if target is None else read_document(Channel, self._fetch(updater, target.path), name)

    def fetch(self, model: str, number: int) -> Release | None:
        """A release, all files of it verified; None: there is no such release."""
        updater = self._updater()
        if updater.get_targetinfo(release_target(model, number)) is None:
            return None
        release = read_document(Release, self._fetch(updater, release_target(model, number)), "release")
        for file in release.files:
            assert len(self._fetch(updater, release_target(model, number, file.path))) == file.length
        return release

    def _updater(self) -> Updater:
        metadata, targets = self._state / "tuf", self._state / "targets"
        metadata.mkdir(parents=True, exist_ok=True)
        targets.mkdir(exist_ok=True)
        updater = Updater(
            str(metadata), f"{self._url}/metadata/", str(targets), f"{self._url}/targets/", bootstrap=self._root
        )
        updater.refresh()
        self.root_version = json.loads((metadata / "root.json").read_text())["signed"]["version"]
        return updater

    def _fetch(self, updater: Updater, name: str) -> bytes:
        target = updater.get_targetinfo(name)
        assert target is not None, name
        return Path(updater.download_target(target)).read_bytes()


def open_repository(home: FleetHome) -> Repository:
    return Repository.open(home, PASSPHRASE)
