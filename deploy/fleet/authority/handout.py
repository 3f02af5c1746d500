"""The folder that is taken to a device, an operator's machine or a server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deploy.fleet.authority.authority import Credential
from deploy.fleet.authority.roles import Role
from deploy.fleet.authority.secret_file import write_secret
from fissura.errors import FleetError
from fissura.files import write_text

KEY, CERTIFICATE, AUTHORITY, ROOT = "client.key", "client.pem", "ca.pem", "root.json"
RUN, UPDATES = "run.yaml", "updates.yaml"
SERVER_KEY, SERVER_CERTIFICATE = "server.key", "server.pem"
ON_DEVICE = Path("/etc/fissura/tls")


@dataclass(frozen=True)
class Fleet:
    """What a device has to know of its fleet.

    Attributes:
        authority: certificate of the authority, a file.
        root: the repository's first root.json, where there is one.
        url: where devices reach the repository; None: not known, which the handout says.
        broker: `mqtts://HOST[:PORT]`; None: as above.
    """

    authority: Path
    root: Path
    url: str | None = None
    broker: str | None = None


def check_free(folder: Path, *, renew: bool) -> None:
    """Refuse to overwrite a key.

    Raises:
        FleetError: there is one, and it was not said to renew it.
    """
    taken = [name for name in (KEY, SERVER_KEY) if (folder / name).exists()]
    if taken and not renew:
        raise FleetError(f"{folder} holds a {taken[0]} already", fix="another --out, or --renew to replace it")


def write_handout(folder: Path, name: str, role: Role, credential: Credential, fleet: Fleet) -> list[Path]:
    """Write key (for its owner only), certificate, the authority's certificate, and for a device how to use them.

    Args:
        folder: made where it does not exist.
        name: common name.
        role: names the files.
        credential: key and certificate.
        fleet: that it belongs to.

    Returns:
        The files.
    """
    is_server = role == "server"
    key = folder / (SERVER_KEY if is_server else KEY)
    certificate = folder / (SERVER_CERTIFICATE if is_server else CERTIFICATE)
    write_secret(key, credential.key)
    write_text(certificate, credential.certificate.decode())
    write_text(folder / AUTHORITY, fleet.authority.read_text(encoding="utf-8"))
    files = [key, certificate, folder / AUTHORITY]
    if role == "device":
        texts = {RUN: _run(name, fleet), UPDATES: _updates(fleet)}
        if fleet.root.is_file():
            texts[ROOT] = fleet.root.read_text(encoding="utf-8")
        for file, text in texts.items():
            write_text(folder / file, text)
            files.append(folder / file)
    return files


def _run(serial: str, fleet: Fleet) -> str:
    return f"""\
# For {serial}'s run.yaml. Copy this folder's files into {ON_DEVICE};
# only the user that runs fissura may read {KEY}.
serial: {serial}
sink:
  - {fleet.broker or "mqtts://BROKER"}
ca: {ON_DEVICE / AUTHORITY}
cert: {ON_DEVICE / CERTIFICATE}
key: {ON_DEVICE / KEY}
"""


def _updates(fleet: Fleet) -> str:
    return f"""\
# What `fissura agent --updates` reads. Name the kind of device as releases do (default: its processor's architecture),
# and in min_release the release that the application was tested with: nothing older will run, even after a wipe.
url: {fleet.url or "https://SERVER"}
root: {ON_DEVICE / ROOT}
channel: stable
state: /var/lib/fissura/updates
# hardware: jetson-orin-nano
min_release: 1
report:
  broker: {fleet.broker or "mqtts://BROKER"}
  ca: {ON_DEVICE / AUTHORITY}
  cert: {ON_DEVICE / CERTIFICATE}
  key: {ON_DEVICE / KEY}
"""
