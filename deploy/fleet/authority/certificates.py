"""Making certificates and revocation lists. ECDSA P-256: what every TLS stack of a small device has."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from deploy.fleet.authority.ledger import Issued
from deploy.fleet.authority.roles import USAGE, Role

CLOCK_SKEW = timedelta(hours=1)  # certificates begin so much before now, for clocks that are behind
_UTC = timezone.utc


@dataclass(frozen=True)
class Signer:
    """The authority's certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def make_signer(name: str, days: int) -> Signer:
    """A new authority, whose certificate it signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(name, key.public_key(), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), days)
    builder = (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Signer(builder.sign(key, hashes.SHA256()), key)


def make_certificate(
    signer: Signer, name: str, role: Role, days: int, public_key: ec.EllipticCurvePublicKey, hosts: Sequence[str] = ()
) -> x509.Certificate:
    """A certificate of an end: a device, a person or a server.

    Args:
        signer: the authority.
        name: common name.
        role: decides what it may be used for.
        days: that it is valid.
        public_key: of the end.
        hosts: names and addresses of a server.
    """
    builder = (
        _builder(name, public_key, signer.certificate.subject, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([USAGE[role]]), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False)
    )
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
    return builder.sign(signer.key, hashes.SHA256())


def make_revocation_list(signer: Signer, revoked: Iterable[Issued]) -> x509.CertificateRevocationList:
    """The list of what was withdrawn.

    It is valid as long as the authority is: OpenSSL lets nobody in whose list has run out, and a forgotten cron job
    would lock the whole fleet out.
    """
    now = datetime.now(_UTC)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(signer.certificate.subject)
        .last_update(now - CLOCK_SKEW)
        .next_update(signer.certificate.not_valid_after_utc)
        .add_extension(x509.CRLNumber(int(now.timestamp() * 1e6)), critical=False)  # has to grow from list to list
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.key.public_key()), critical=False)
    )
    for one in revoked:
        assert one.revoked_utc is not None
        entry = x509.RevokedCertificateBuilder().serial_number(int(one.number, 16)).revocation_date(one.revoked_utc)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(signer.key, hashes.SHA256())


def _builder(name: str, key: ec.EllipticCurvePublicKey, issuer: x509.Name, days: int) -> x509.CertificateBuilder:
    now = datetime.now(_UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=days))
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
