"""Private keys on disk: ed25519 in PKCS8, each encrypted with the passphrase, readable by their owner only.

A key's name (`root-1`, `targets`) stands in the signed root beside the public key, so that a message can say which
key is missing, and keys may lie anywhere: on this machine, or on a stick that is plugged in for an hour.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from securesystemslib.exceptions import KeyMismatchError
from securesystemslib.signer import CryptoSigner, Key, SSlibKey
from tuf.api.metadata import Root

from deploy.fleet.repository.passphrase import check_new
from fissura.errors import FleetError
from fissura.files import sync_folder

NAME_FIELD = "x-fissura-name"


def key_name(key: Key) -> str:
    """Name of a key's file, without its suffix."""
    return str(key.unrecognized_fields.get(NAME_FIELD, key.keyid))


class KeyFolder:
    """Finds, opens and makes private keys.

    Args:
        folder: where new keys go.
        passphrase: of all of them; None: nothing can be signed.
        others: folders where keys lie too, sticks for example.
        new_passphrase: of keys that are made, and perhaps of some that were; None: the same.

    Attributes:
        folders: all of these, that of new keys first.
    """

    def __init__(
        self, folder: Path, passphrase: str | None, others: Sequence[Path] = (), new_passphrase: str | None = None
    ) -> None:
        self.folders = (folder, *others)
        self._passphrases = [word for word in (new_passphrase, passphrase) if word]

    def create(self, name: str) -> CryptoSigner:
        """Make a key and write it.

        Raises:
            FleetError: no passphrase, or one too short.
            FileExistsError: there is a key of that name.
        """
        passphrase = self._secrets()[0]
        check_new(passphrase)
        private = Ed25519PrivateKey.generate()
        public = SSlibKey.from_crypto(private.public_key())
        public.unrecognized_fields[NAME_FIELD] = name
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(passphrase.encode()))
        folder = self.folders[0]
        folder.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(folder / f"{name}.pem", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(pem)
            stream.flush()
            os.fsync(stream.fileno())
        sync_folder(folder)
        return CryptoSigner(private, public)

    def has(self, name: str) -> bool:
        """Whether a key of that name lies in one of the folders."""
        return self._path(name) is not None

    def signers(self, root: Root, role: str) -> list[CryptoSigner]:
        """Keys of a role that are here, as many as the role needs at least.

        Raises:
            FleetError: too few are here, or the passphrase does not open one.
        """
        keys = [root.get_key(keyid) for keyid in root.roles[role].keyids]
        here = [key for key in keys if self.has(key_name(key))]
        threshold = root.roles[role].threshold
        if len(here) < threshold:
            missing = [key_name(key) for key in keys if key not in here]
            raise FleetError(
                f"{role} needs {threshold} of {len(keys)} keys to sign, and {len(here)} can be found; "
                f"not here: {', '.join(f'{name}.pem' for name in missing)}",
                expected=f"in {' or '.join(str(folder) for folder in self.folders)}",
                fix="bring the missing ones (from the safe) and name their folder by --keys"
                if role == Root.type
                else f"bring them back into {self.folders[0]} from a copy",
            )
        return [self._open(key) for key in here]

    def check_passphrase(self, root: Root, roles: Iterable[str]) -> None:
        """Open the keys of these roles, as far as they are here.

        Raises:
            FleetError: the passphrase does not open one.
        """
        for role in roles:
            for key in map(root.get_key, root.roles[role].keyids):
                if self.has(key_name(key)):
                    self._open(key)

    def unused_names(self, role: str, taken: Iterable[str], count: int) -> list[str]:
        """Names for new keys of a role, that no key has or had.

        Args:
            role: that they are for.
            taken: names in all versions of the root.
            count: how many.
        """
        names: list[str] = []
        known = set(taken)
        number = 1
        while len(names) < count:
            name = role if number == 1 and role != Root.type else f"{role}-{number}"
            if name not in known and not self.has(name):
                names.append(name)
            number += 1
        return names

    def _path(self, name: str) -> Path | None:
        paths = (folder / f"{name}.pem" for folder in self.folders)
        return next((path for path in paths if path.is_file()), None)

    def _secrets(self) -> list[str]:
        """Passphrases, that of new keys first."""
        if not self._passphrases:
            raise FleetError("signing needs the passphrase of the private keys, and none was given")
        return self._passphrases

    def _open(self, key: Key) -> CryptoSigner:
        path = self._path(key_name(key))
        assert path is not None and isinstance(key, SSlibKey)
        private = self._decrypt(path)
        try:
            return CryptoSigner(private, key)
        except (KeyMismatchError, ValueError) as error:
            raise FleetError(
                f"{path} holds another key than the repository's {key_name(key)!r}",
                fix="this file belongs to another fleet, or to an older version of the root",
            ) from error

    def _decrypt(self, path: Path) -> PrivateKeyTypes:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise FleetError(f"{path} cannot be read: {error}") from error
        for passphrase in self._secrets():
            with suppress(ValueError, TypeError):
                return load_pem_private_key(data, passphrase.encode())
        raise FleetError(
            f"{path} does not open with this passphrase, or is damaged",
            fix="give the passphrase that it was made with, or fetch the file from a copy",
        )
