"""The chain of roots, each signed by the keys of the one before, and its anchors: which roots are the fleet's own.

Whoever can write `repository/metadata` can put a key into a root there, or take the newest roots away, so that keys
that were replaced count again. The chain shows the first. For the second, and for a chain that is forged as a whole,
there is `root.sha256` beside the keys and on the sticks: the hash of the newest root that was signed with them, as
`sha256sum` writes it. It is compared before a root key signs anything.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from tuf.api.metadata import Metadata, Root

from deploy.fleet.repository.keys import KeyFolder
from deploy.fleet.repository.metadata_folder import FROM_A_COPY, MetadataFolder
from fissura.errors import FleetError
from fissura.files import write_text

ANCHOR = "root.sha256"


def read_chain(folder: MetadataFolder) -> list[Metadata[Root]]:
    """All roots, oldest first.

    Raises:
        FleetError: one is missing, or not signed by enough keys of the one before it and of its own.
    """
    roots = [folder.root(version) for version in range(1, max(1, folder.newest(Root.type)) + 1)]
    before: Root | None = None
    for version, root in enumerate(roots, start=1):
        if root.signed.version != version or not root.signed.get_root_verification_result(
            before, root.signed_bytes, root.signatures
        ):
            raise FleetError(
                f"{version}.root.json is not signed by the fleet's root keys",
                fix=f"somebody changed it: find out who, then {FROM_A_COPY}",
            )
        before = root.signed
    return roots


def check_anchors(folder: MetadataFolder, keys: KeyFolder) -> None:
    """Whether the roots on disk are those that the root keys have signed. The chain must have been read.

    Raises:
        FleetError: they are not, or nothing tells.
    """
    anchors = _anchors(keys)
    if not anchors:
        raise FleetError(
            f"no {ANCHOR} lies beside the private keys: nothing tells whether repository/metadata is the fleet's own",
            expected="the one that `fissura fleet init` made; a copy belongs on every stick",
            fix=f"compare 1.root.json with a device's, then write: sha256sum N.root.json > keys/{ANCHOR}, N the newest",
        )
    for anchor in anchors:
        match = re.fullmatch(r"([0-9a-f]{64}) [ *](\d+)\.root\.json\s*", anchor.read_text(encoding="utf-8"))
        if match is None:
            raise FleetError(f"{anchor} cannot be read", expected="one line of `sha256sum N.root.json`")
        version = int(match[2])
        if folder.newest(Root.type) < version or _hash(folder, version) != match[1]:
            raise FleetError(
                f"{version}.root.json is not the one that {anchor} tells of: somebody changed repository/metadata",
                fix=f"sign nothing; find out who, then {FROM_A_COPY}",
            )


def set_anchors(folder: MetadataFolder, keys: KeyFolder, version: int) -> None:
    """Let the anchors tell of a root that was just signed."""
    for anchor in _anchors(keys):
        with suppress(OSError):  # a stick that is full or locked: its anchor stays true, it only tells of an older root
            write_anchor(folder, anchor.parent, version)


def write_anchor(folder: MetadataFolder, beside: Path, version: int) -> None:
    """Write one."""
    write_text(beside / ANCHOR, f"{_hash(folder, version)}  {version}.root.json\n")


def _anchors(keys: KeyFolder) -> list[Path]:
    return [path for path in (place / ANCHOR for place in keys.folders) if path.is_file()]


def _hash(folder: MetadataFolder, version: int) -> str:
    return (folder.describe(Root.type, version).hashes or {})["sha256"]
