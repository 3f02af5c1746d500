"""The folder that is taken to a device, an operator's machine or a server."""

from __future__ import annotations

from pathlib import Path

from deploy.fleet.authority.authority import Credential
from deploy.fleet.authority.roles import Role
from deploy.fleet.authority.secret_file import write_secret
from fissura.errors import FleetError
from fissura.files import write_text

KEY, CERTIFICATE, AUTHORITY, SNIPPET = "client.key", "client.pem", "ca.pem", "run.yaml"
SERVER_KEY, SERVER_CERTIFICATE = "server.key", "server.pem"
ON_DEVICE = Path("/etc/fissura/tls")


def check_free(folder: Path, *, renew: bool) -> None:
    """Refuse to overwrite a key.

    Raises:
        FleetError: there is one, and it was not said to renew it.
    """
    taken = [name for name in (KEY, SERVER_KEY) if (folder / name).exists()]
    if taken and not renew:
        raise FleetError(f"{folder} holds a {taken[0]} already", fix="another --out, or --renew to replace it")


def write_handout(
    folder: Path, name: str, role: Role, credential: Credential, authority: Path, broker: str | None
) -> list[Path]:
    """Write key (for its owner only), certificate, the authority's certificate, and for a device how to use them.

    Args:
        folder: made where it does not exist.
        name: common name.
        role: names the files.
        credential: key and certificate.
        authority: certificate of the authority, a file.
        broker: `mqtts://HOST[:PORT]`; None: not known, which the snippet says.

    Returns:
        The files.
    """
    is_server = role == "server"
    key = folder / (SERVER_KEY if is_server else KEY)
    certificate = folder / (SERVER_CERTIFICATE if is_server else CERTIFICATE)
    write_secret(key, credential.key)
    write_text(certificate, credential.certificate.decode())
    write_text(folder / AUTHORITY, authority.read_text(encoding="utf-8"))
    files = [key, certificate, folder / AUTHORITY]
    if role == "device":
        write_text(folder / SNIPPET, _snippet(name, broker))
        files.append(folder / SNIPPET)
    return files


def _snippet(serial: str, broker: str | None) -> str:
    return f"""\
# For {serial}'s run.yaml. Copy {KEY}, {CERTIFICATE} and {AUTHORITY} into {ON_DEVICE};
# only the user that runs fissura may read {KEY}.
serial: {serial}
sink:
  - {broker or "mqtts://BROKER"}
ca: {ON_DEVICE / AUTHORITY}
cert: {ON_DEVICE / CERTIFICATE}
key: {ON_DEVICE / KEY}
"""
