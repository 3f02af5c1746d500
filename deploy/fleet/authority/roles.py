"""Whom the authority issues certificates to. The common name is what the broker's access list knows a client by."""

from __future__ import annotations

import re
from typing import Literal

from cryptography.x509 import ObjectIdentifier
from cryptography.x509.oid import ExtendedKeyUsageOID

from fissura.errors import ConfigError, FleetError
from fissura.topics import check_serial

Role = Literal["device", "server", "operator", "console"]
# A server's certificate must not open the broker to whoever has it, and a device's must not let it pose as the broker.
USAGE: dict[Role, ObjectIdentifier] = {
    "device": ExtendedKeyUsageOID.CLIENT_AUTH,
    "operator": ExtendedKeyUsageOID.CLIENT_AUTH,
    "console": ExtendedKeyUsageOID.CLIENT_AUTH,
    "server": ExtendedKeyUsageOID.SERVER_AUTH,
}
OPERATOR = "operator"
CONSOLE = "console"
RESERVED = frozenset((OPERATOR, CONSOLE))  # names that the access list gives more rights than a device has


def device_name(serial: str) -> str:
    """The common name of a device's certificate: its serial.

    Raises:
        FleetError: the serial cannot stand in a topic, or is a name that the access list gives other rights to.
    """
    if serial.lower() in RESERVED:
        raise FleetError(f"a device cannot be called {serial!r}: the broker would take it for that role")
    try:
        return check_serial(serial)
    except ConfigError as error:  # how a run would mend it is of no use here
        raise FleetError(error.found, expected=error.expected, fix="name the device by another serial") from error


def server_name(host: str) -> str:
    """The common name of a server's certificate: its first host.

    Raises:
        FleetError: it is no name and no address of a host.
    """
    if not re.fullmatch(r"[A-Za-z0-9:]([A-Za-z0-9.:-]{0,61}[A-Za-z0-9:])?", host):
        raise FleetError(f"{host!r} is no host", expected="a name or an address, 63 characters at most")
    return host
