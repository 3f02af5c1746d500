"""From files in the store to the folder of a release."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from edge_runtime.updates.layout import BUNDLE_NAME, Layout
from edge_runtime.updates.store import Store
from fissura.files import sync_folder, write_text
from fissura.release import RELEASE_NAME, Release


def assemble(layout: Layout, store: Store, release: Release) -> Path:
    """Lay a release out, all of it or nothing; returns its bundle.

    Raises:
        OSError: the disk is full.
    """
    folder = layout.release(release.release)
    if folder.exists():  # of an installation that was cut after this, or one that is damaged
        shutil.rmtree(folder)
    aside = Path(tempfile.mkdtemp(dir=layout.releases, prefix=".new-"))
    try:
        bundle = aside / BUNDLE_NAME
        for file in release.files:
            path = bundle / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            os.link(store.path(file.sha256), path)
        write_text(aside / RELEASE_NAME, release.to_json().decode())
        aside.chmod(0o755)
        _sync_folders(aside)
        aside.rename(folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    sync_folder(layout.releases)
    return layout.release_bundle(release.release)


def _sync_folders(folder: Path) -> None:
    """The files are on the disk already: they come from the store."""
    for parent, _, _ in os.walk(folder):
        sync_folder(Path(parent))
