"""The four roles of a repository: read and checked together, signed in the order in which a kill harms nobody."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from securesystemslib.signer import CryptoSigner
from tuf.api.exceptions import UnsignedMetadataError
from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

from deploy.fleet.repository.keys import KeyFolder, key_name
from deploy.fleet.repository.metadata_folder import FROM_A_COPY, MetadataFolder
from deploy.fleet.repository.root_chain import check_anchors, read_chain, set_anchors
from deploy.fleet.settings import ExpiryDays, OnlineRole
from fissura.errors import FleetError

logger = logging.getLogger(__name__)

# In the order of signing: a role's new document is of no use before the next role names it.
ONLINE_ROLES: tuple[OnlineRole, ...] = ("targets", "snapshot", "timestamp")


@dataclass(frozen=True)
class Roles:
    """What the repository says at this moment.

    Attributes:
        outdated: roles whose keys were replaced and which nobody has signed anew yet: a rotation was cut short.
    """

    root: Metadata[Root]
    targets: Metadata[Targets]
    snapshot: Metadata[Snapshot]
    timestamp: Metadata[Timestamp]
    outdated: frozenset[OnlineRole]

    def of(self, role: OnlineRole) -> Metadata[Any]:
        """A role's document."""
        documents: dict[OnlineRole, Metadata[Any]] = {
            "targets": self.targets,
            "snapshot": self.snapshot,
            "timestamp": self.timestamp,
        }
        return documents[role]


def read_roles(folder: MetadataFolder) -> Roles:
    """Read what is published, and check that each role is signed and named by the next.

    Raises:
        FleetError: a file is missing or damaged, or somebody else than the keys' owner wrote it.
    """
    *earlier, root = read_chain(folder)
    timestamp = folder.timestamp()
    snapshot = folder.snapshot(timestamp.signed.snapshot_meta.version)
    targets = folder.targets(snapshot.signed.meta["targets.json"].version)
    documents: dict[OnlineRole, Metadata[Any]] = {"targets": targets, "snapshot": snapshot, "timestamp": timestamp}
    outdated: set[OnlineRole] = set()
    for role, document in documents.items():
        if _is_signed(root, role, document):
            continue
        if not earlier or not _is_signed(earlier[-1], role, document):
            raise FleetError(
                f"the repository's {role} (version {document.signed.version}) is not signed by the fleet's keys",
                fix="somebody changed it: find out who, then bring `repository` back from a copy",
            )
        outdated.add(role)
    if timestamp.signed.snapshot_meta != folder.describe("snapshot", snapshot.signed.version) or snapshot.signed.meta[
        "targets.json"
    ] != folder.describe("targets", targets.signed.version):
        raise FleetError("the files in repository/metadata do not belong together", fix=FROM_A_COPY)
    return Roles(root, targets, snapshot, timestamp, frozenset(outdated))


class Signatory:
    """Signs roles and puts them in their places.

    Args:
        folder: where to.
        keys: what with.
        expiry_days: how long for.
    """

    def __init__(self, folder: MetadataFolder, keys: KeyFolder, expiry_days: ExpiryDays) -> None:
        self._folder = folder
        self._keys = keys
        self._expiry_days = expiry_days

    def publish(
        self,
        roles: Roles,
        first: OnlineRole = "targets",
        *,
        also: Mapping[OnlineRole, Sequence[CryptoSigner]] | None = None,
    ) -> None:
        """Sign `first` and every role after it; clients see all of it or nothing.

        Args:
            roles: the documents, changed in place.
            first: role that changed; others come along where a rotation left them behind.
            also: keys beside those that the root names: the next ones, before the root names them.

        Raises:
            FleetError: a role has too few keys here; nothing was written then.
        """
        changed = {first, *roles.outdated}
        start = min(ONLINE_ROLES.index(role) for role in changed)
        order = ONLINE_ROLES[start:]
        signers = {role: [*self._keys.signers(roles.root.signed, role), *(also or {}).get(role, ())] for role in order}
        for role in order:
            document = roles.of(role)
            if isinstance(document.signed, Timestamp):
                document.signed.version += 1
                document.signed.snapshot_meta = self._folder.describe("snapshot", roles.snapshot.signed.version)
            else:
                document.signed.version = self._folder.newest(role) + 1
            if isinstance(document.signed, Snapshot):
                document.signed.meta["targets.json"] = self._folder.describe("targets", roles.targets.signed.version)
            document.signed.expires = expiry(getattr(self._expiry_days, role))
            sign(document, signers[role])
            self._folder.write(document)

    def renew_root(self, root: Metadata[Root], signers: Sequence[CryptoSigner]) -> None:
        """Write the next version of the root; clients see it at once.

        Raises:
            FleetError: the root before is not the fleet's own, or does not vouch for it.
        """
        before = read_chain(self._folder)[-1]
        check_anchors(self._folder, self._keys)
        root.signed.version = before.signed.version + 1
        root.signed.expires = expiry(self._expiry_days.root)
        logger.info("root version %d: %s", root.signed.version, _difference(before.signed, root.signed))
        sign(root, signers)
        result = root.signed.get_root_verification_result(before.signed, root.signed_bytes, root.signatures)
        if not result:
            raise FleetError("the new root is not signed by enough keys of the root before it and of its own")
        self._folder.write(root)
        set_anchors(self._folder, self._keys, root.signed.version)


def expiry(days: int) -> datetime:
    """The end of a signature that is made now; TUF knows no fractions of a second."""
    return (datetime.now(timezone.utc) + timedelta(days=days)).replace(microsecond=0)


def sign(document: Metadata[Any], signers: Sequence[CryptoSigner]) -> None:
    """Replace a document's signatures.

    Raises:
        FleetError: a key cannot sign.
    """
    document.signatures.clear()
    try:
        for signer in signers:
            document.sign(signer, append=True)
    except UnsignedMetadataError as error:
        raise FleetError(f"{document.signed.type} cannot be signed: {error}") from error


def _is_signed(root: Metadata[Root], role: str, document: Metadata[Any]) -> bool:
    return bool(root.signed.get_verification_result(role, document.signed_bytes, document.signatures))


def _difference(before: Root, after: Root) -> str:
    """Which keys come and go, for the people who lend theirs."""
    changes = []
    for role in after.roles:
        then, now = before.roles[role].keyids, after.roles[role].keyids
        changes += [f"{role} loses {_words(before, keyid)}" for keyid in then if keyid not in now]
        changes += [f"{role} gets {_words(after, keyid)}" for keyid in now if keyid not in then]
    return ", ".join(changes) or "the keys stay"


def _words(root: Root, keyid: str) -> str:
    return f"{key_name(root.get_key(keyid))} ({keyid[:8]})"
