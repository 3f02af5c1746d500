"""The authority of a fleet: issues, lists, withdraws.

::

    ca/ca.pem        its certificate: goes to the broker and to every device
    ca/ca.key        its key, encrypted with the fleet's passphrase
    ca/crl.pem       what was withdrawn: goes to the broker
    ca/issued.json   all certificates there ever were
    ca/issued/NAME/  key and certificate, to be taken to where they are used
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from deploy.fleet.authority.certificates import Signer, make_certificate, make_revocation_list, make_signer
from deploy.fleet.authority.ledger import Issued, read_ledger, write_ledger
from deploy.fleet.authority.roles import Role
from deploy.fleet.authority.secret_file import write_secret
from deploy.fleet.repository.passphrase import check_new
from fissura.errors import FleetError
from fissura.files import write_text

AUTHORITY_NAME = "fissura fleet"
AUTHORITY_DAYS = 7300


@dataclass(frozen=True)
class Credential:
    """A certificate and its key, PEM. The key is left out of the printed form."""

    certificate: bytes
    key: bytes = field(repr=False)


class Authority:
    """What stands in a fleet's folder `ca`. Several processes may use it: each change holds a lock.

    Args:
        folder: of the authority; made with the first certificate.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.certificate = folder / "ca.pem"
        self.revocation_list = folder / "crl.pem"
        self._key = folder / "ca.key"
        self._ledger = folder / "issued.json"

    def issued(self) -> tuple[Issued, ...]:
        """All certificates there ever were, oldest first.

        Raises:
            FleetError: the ledger is damaged.
        """
        return read_ledger(self._ledger)

    def issue(
        self,
        name: str,
        role: Role,
        days: int,
        passphrase: str,
        *,
        hosts: Sequence[str] = (),
        renew: bool = False,
    ) -> Credential:
        """Make a key and its certificate.

        Args:
            name: common name.
            role: what it is for.
            days: that it is valid.
            passphrase: of the authority's key; a new authority is made with it.
            hosts: of a server.
            renew: also where a valid one stands; that one goes on working until it ends or is revoked.

        Raises:
            FleetError: there is a valid one, the passphrase is wrong, or it would outlive the authority.
        """
        with self._locked():
            issued = self.issued()
            valid = [one for one in issued if one.name == name and one.is_valid()]
            if valid and not renew:
                raise FleetError(
                    f"{name!r} has a certificate until {valid[-1].ends_utc:%Y-%m-%d}",
                    fix=f"--renew for another one beside it, or --revoke {name} first",
                )
            if any(one.role != role for one in valid):
                raise FleetError(f"{name!r} is a {valid[-1].role} already", expected="another name")
            signer = self._signer(passphrase)
            key = ec.generate_private_key(ec.SECP256R1())
            certificate = make_certificate(signer, name, role, days, key.public_key(), hosts)
            if certificate.not_valid_after_utc > signer.certificate.not_valid_after_utc:
                raise FleetError(
                    f"{days} days are longer than the authority's own certificate lives",
                    expected=f"an end before {signer.certificate.not_valid_after_utc:%Y-%m-%d}",
                )
            # Before anyone gets the certificate: one that the ledger does not know could never be revoked.
            write_ledger(self._ledger, (*issued, _entry(name, role, certificate)))
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return Credential(certificate.public_bytes(Encoding.PEM), private)

    def revoke(self, name: str, passphrase: str) -> int:
        """Withdraw all valid certificates of a name, and write the list for the broker.

        Returns:
            How many they are; with none the list is written all the same, for a time before that was cut short.

        Raises:
            FleetError: the name never had one, or the passphrase is wrong.
        """
        with self._locked():
            issued = self.issued()
            if not any(one.name == name for one in issued):
                raise FleetError(f"{name!r} has no certificate", fix="fissura fleet enroll --list")
            count = sum(one.name == name and one.is_valid() for one in issued)
            now = datetime.now(timezone.utc)
            signer = self._signer(passphrase)
            issued = tuple(
                one.model_copy(update={"revoked_utc": now}) if one.name == name and one.is_valid() else one
                for one in issued
            )
            write_ledger(self._ledger, issued)
            self._write_list(signer, issued)
        return count

    def _signer(self, passphrase: str) -> Signer:
        if not self._key.exists():
            if self.issued():
                raise FleetError(f"{self._key} is gone", fix="bring it back from a backup")
            return self._make(passphrase)
        try:
            key = load_pem_private_key(self._key.read_bytes(), passphrase.encode())
        except (ValueError, TypeError) as error:
            raise FleetError(
                f"{self._key} cannot be opened: {error}", expected="the passphrase that it was made with"
            ) from error
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return Signer(x509.load_pem_x509_certificate(self.certificate.read_bytes()), key)

    def _make(self, passphrase: str) -> Signer:
        check_new(passphrase)
        signer = make_signer(AUTHORITY_NAME, AUTHORITY_DAYS)
        write_text(self.certificate, signer.certificate.public_bytes(Encoding.PEM).decode())
        self._write_list(signer, ())
        # The key last: as long as it is not there, the authority is made anew.
        encryption = BestAvailableEncryption(passphrase.encode())
        write_secret(self._key, signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
        return signer

    def _write_list(self, signer: Signer, issued: Sequence[Issued]) -> None:
        revoked = make_revocation_list(signer, [one for one in issued if one.revoked_utc is not None])
        write_text(self.revocation_list, revoked.public_bytes(Encoding.PEM).decode())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._folder / ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _entry(name: str, role: Role, certificate: x509.Certificate) -> Issued:
    return Issued(
        name=name,
        role=role,
        number=f"{certificate.serial_number:x}",
        begins_utc=certificate.not_valid_before_utc,
        ends_utc=certificate.not_valid_after_utc,
    )
