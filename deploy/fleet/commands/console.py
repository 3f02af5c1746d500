"""`fissura fleet console`: a web page of the fleet."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from deploy.fleet.authority.roles import CONSOLE
from deploy.fleet.authority.secret_file import write_secret
from deploy.fleet.console.access.token import make_token
from deploy.fleet.console.app import Sources, make_app
from deploy.fleet.console.detections.store import open_store
from deploy.fleet.console.intake import listening
from deploy.fleet.console.options import ConsoleOptions, check_tiles
from deploy.fleet.console.server import read_place, serve
from deploy.fleet.home import FleetHome, add_home, open_home
from deploy.fleet.registry.registry import Registry
from deploy.fleet.rollout.broker import BrokerAddress, needed, read_broker
from deploy.fleet.settings import FleetSettings
from fissura.config import load_config

TOKEN = "console-token.sha256"
LISTEN = "127.0.0.1:8443"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--listen", default=LISTEN, metavar="HOST:PORT", help=f"where (default: {LISTEN})")
    parser.add_argument("--cert", type=Path, metavar="FILE", help="certificate of the page, PEM")
    parser.add_argument("--key", type=Path, metavar="FILE", help="its private key, PEM")
    parser.add_argument("--insecure-http", action="store_true", help="without TLS, on this machine only")
    parser.add_argument("--new-token", action="store_true", help="make a new token; whoever is logged in is out")
    parser.add_argument("--tiles", metavar="URL", help="map tiles, https://HOST/{z}/{x}/{y}.png (default: none)")
    parser.add_argument("--database", metavar="URL", help="postgresql://... for the cracks (default: SQLite)")
    parser.add_argument("--offline", action="store_true", help="show what is stored, without a broker")
    parser.add_argument("--broker", metavar="URI", help="mqtts://HOST[:PORT] (default: `broker` of fleet.yaml)")
    parser.add_argument(
        "--credentials",
        type=Path,
        metavar="DIR",
        help="folder of certificate and key for the broker (default: where `fissura fleet enroll --console` puts them)",
    )
    add_home(parser)


def run(arguments: argparse.Namespace) -> int:
    """Serve until it is told to end."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    home = open_home(arguments)
    settings = load_config(FleetSettings, home.settings)
    place = read_place(arguments.listen, arguments.cert, arguments.key, insecure=arguments.insecure_http)
    tiles = None if arguments.tiles is None else check_tiles(arguments.tiles)
    address = None if arguments.offline else needed(_broker(arguments, home, settings.broker))
    store = open_store(arguments.database, home.detections)
    token = home.registry.parent / TOKEN
    with Registry(home.registry) as registry, listening(registry, store, address, home.root) as intake:
        if arguments.new_token or not token.exists():
            _hand_out(make_token(token), token.with_suffix(".txt"))
        options = ConsoleOptions(settings.name, tiles, secure=place.cert is not None)
        serve(make_app(Sources(registry, store, token, intake), options), place)
    return 0


def _hand_out(token: str, path: Path) -> None:
    """Show the token; where no person looks on, but a journal that others read, it goes into a file of its owner."""
    if sys.stdout.isatty():
        print(f"token: {token}\n(this is the only time that it is shown)", flush=True)
        return
    write_secret(path, f"{token}\n".encode())
    print(f"token: in {path}; read it, then delete the file", flush=True)


def _broker(arguments: argparse.Namespace, home: FleetHome, configured: str | None) -> BrokerAddress | None:
    uri: str | None = arguments.broker or configured
    credentials: Path | None = arguments.credentials
    issued = home.authority / "issued" / CONSOLE
    if credentials is None and uri is not None and uri.startswith("mqtts:") and issued.is_dir():
        credentials = issued
    return None if uri is None else read_broker(uri, credentials)
