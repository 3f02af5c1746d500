"""The folder in which a device keeps its models, and what lies where in it.

::

    tuf/                 signed metadata that was believed last
    partial/<sha256>     files under way
    store/sha256/<hash>  files that are whole
    engines/             what the engines build of them
    releases/<n>/        release.json, and bundle/ with hard links into the store
    active               link to releases/<n>; none: the bundle that the device came with
    previous             link to what it would go back to; none: as above
    state.json           how far an installation is
    boots                starts that did not get as far as frames
    outbox.sqlite        reports that the operator has not acknowledged
    lock                 held by the process that changes all this, while it does
    run.lock             held by the one run that may, as long as it lives
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Link = Literal["active", "previous"]
LINKS: tuple[Link, ...] = ("active", "previous")
BUNDLE_NAME = "bundle"


@dataclass(frozen=True)
class Layout:
    """Paths of a device's state folder.

    Attributes:
        root: the folder.
    """

    root: Path

    @property
    def metadata(self) -> Path:
        return self.root / "tuf"

    @property
    def partial(self) -> Path:
        return self.root / "partial"

    @property
    def store(self) -> Path:
        return self.root / "store" / "sha256"

    @property
    def engines(self) -> Path:
        return self.root / "engines"

    @property
    def releases(self) -> Path:
        return self.root / "releases"

    @property
    def state(self) -> Path:
        return self.root / "state.json"

    @property
    def boots(self) -> Path:
        return self.root / "boots"

    @property
    def outbox(self) -> Path:
        return self.root / "outbox.sqlite"

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def run_lock(self) -> Path:
        return self.root / "run.lock"

    def release(self, number: int) -> Path:
        """Folder of a release."""
        return self.releases / str(number)

    def release_bundle(self, number: int) -> Path:
        """Bundle of a release."""
        return self.release(number) / BUNDLE_NAME

    def number(self, link: Link) -> int | None:
        """Release that a link names; None: the bundle that the device came with, or the link is damaged."""
        try:
            target = str((self.root / link).readlink())
        except OSError:
            return None
        folder, _, name = target.rpartition("/")
        return int(name) if folder == "releases" and name.isascii() and name.isdigit() else None

    def bundle(self, link: Link) -> Path | None:
        """Bundle that a link names; None: the one that the device came with. See `verified` before it is opened."""
        number = self.number(link)
        return None if number is None else self.release_bundle(number)

    def make(self) -> None:
        """Make the folders that are not there yet."""
        for folder in (self.metadata, self.partial, self.store, self.engines, self.releases):
            folder.mkdir(parents=True, exist_ok=True)
