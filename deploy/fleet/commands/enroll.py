"""`fissura fleet enroll`: certificates for the broker's clients and servers, and their withdrawal."""

from __future__ import annotations

import argparse
from pathlib import Path

from deploy.fleet.authority.authority import AUTHORITY_DAYS, Authority
from deploy.fleet.authority.handout import Fleet, check_free, write_handout
from deploy.fleet.authority.roles import CONSOLE, OPERATOR, Role, device_name, server_name
from deploy.fleet.home import FleetHome, add_home, open_home
from deploy.fleet.registry.note import note
from deploy.fleet.repository.passphrase import add_passphrase, read_passphrase
from deploy.fleet.settings import FleetSettings
from fissura.config import load_config
from fissura.errors import UsageError
from fissura.table import format_table

DAYS = 730


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("serial", nargs="?", metavar="SERIAL", help="device that gets a certificate")
    whom = parser.add_mutually_exclusive_group()
    whom.add_argument("--server", nargs="+", metavar="HOST", help="names and addresses of a broker or console instead")
    whom.add_argument("--operator", action="store_true", help="the operator's, for roll-outs and commands, instead")
    whom.add_argument("--console", action="store_true", help="the console's, which may only read, instead")
    whom.add_argument("--revoke", metavar="NAME", help="withdraw all certificates of a device, a role or a host")
    whom.add_argument("--list", action="store_true", help="say what was issued")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for key and certificate")
    parser.add_argument("--days", type=int, default=DAYS, metavar="N", help=f"that it is valid (default: {DAYS})")
    parser.add_argument("--renew", action="store_true", help="also where there is a valid one, which goes on working")
    add_home(parser)
    add_passphrase(parser)


def run(arguments: argparse.Namespace) -> int:
    """Issue, list or withdraw."""
    instead = (arguments.server, arguments.operator, arguments.console, arguments.revoke, arguments.list)
    if (arguments.serial is None) != any(instead):
        raise UsageError(
            "no device is named" if arguments.serial is None else f"device {arguments.serial!r} and something else",
            expected="SERIAL, or one of --server, --operator, --console, --revoke, --list",
        )
    if not 1 <= arguments.days <= AUTHORITY_DAYS:
        raise UsageError(f"a certificate of {arguments.days} days", expected=f"--days 1 to {AUTHORITY_DAYS}")
    home = open_home(arguments)
    authority = Authority(home.authority)
    if arguments.list:
        _list(authority)
    elif arguments.revoke:
        _revoke(home, authority, arguments.revoke, read_passphrase(arguments))
    else:
        _issue(home, authority, arguments)
    return 0


def _issue(home: FleetHome, authority: Authority, arguments: argparse.Namespace) -> None:
    hosts: list[str] = [server_name(host) for host in arguments.server or ()]
    role: Role
    if hosts:
        name, role = hosts[0], "server"
    elif arguments.operator:
        name, role = OPERATOR, "operator"
    elif arguments.console:
        name, role = CONSOLE, "console"
    else:
        name, role = device_name(arguments.serial), "device"
    folder: Path = arguments.out or home.authority / "issued" / name.replace(":", "_")
    check_free(folder, renew=arguments.renew)
    settings = load_config(FleetSettings, home.settings)
    fleet = Fleet(authority.certificate, home.metadata / "1.root.json", settings.url, settings.broker)
    credential = authority.issue(
        name, role, arguments.days, read_passphrase(arguments), hosts=hosts, renew=arguments.renew
    )
    note(home, "enroll", name=name, role=role, hosts=hosts, days=arguments.days, renew=arguments.renew)
    for path in write_handout(folder, name, role, credential, fleet):
        print(path)


def _revoke(home: FleetHome, authority: Authority, name: str, passphrase: str) -> None:
    count = authority.revoke(name, passphrase)
    note(home, "enroll --revoke", name=name, certificates=count)
    print(f"{name}: {count} certificates withdrawn" if count != 1 else f"{name}: 1 certificate withdrawn")
    print(f"copy {authority.revocation_list} to the broker, then: systemctl reload mosquitto (SIGHUP)")
    print("a connection that stands already lasts until it ends: restart the broker to end it now")


def _list(authority: Authority) -> None:
    rows = [
        [one.name, one.role, f"{one.ends_utc:%Y-%m-%d}", _state(one.revoked_utc is not None, one.is_valid())]
        for one in authority.issued()
    ]
    print(format_table(["name", "role", "until", "state"], rows) if rows else "no certificates")


def _state(is_revoked: bool, is_valid: bool) -> str:
    return "revoked" if is_revoked else "valid" if is_valid else "ended"
