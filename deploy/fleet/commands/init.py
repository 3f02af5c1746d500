"""`fissura fleet init`: make a fleet: keys, an empty signed repository, settings."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from deploy.fleet.home import VARIABLE, FleetHome
from deploy.fleet.repository.create import ROOT_KEYS, ROOT_THRESHOLD, create_fleet
from deploy.fleet.repository.passphrase import add_passphrase, read_passphrase
from deploy.fleet.repository.root_chain import ANCHOR
from deploy.fleet.settings import FleetSettings
from fissura.config import parse_config


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the folder and what stands in its settings."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of the new fleet: empty, or not there")
    parser.add_argument("--name", default="fleet", help="of the fleet (default: %(default)s)")
    parser.add_argument("--url", help="where devices will reach the folder `repository`, http:// or https://")
    parser.add_argument("--broker", metavar="URI", help="MQTT broker of the fleet, mqtts://HOST[:PORT]")
    add_passphrase(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """Make the fleet and say what comes next."""
    values = {"name": arguments.name, "url": arguments.url, "broker": arguments.broker}
    settings = parse_config(FleetSettings, values, origin="the command line")
    home = FleetHome(arguments.folder.resolve())
    create_fleet(home, settings, read_passphrase(arguments))
    root = home.metadata / "1.root.json"
    if arguments.json:
        keys = sorted(path.name for path in home.keys.glob("*.pem"))
        print(json.dumps({"fleet": str(home.root), "root": str(root), "keys": keys}, indent=2))
        return 0
    print(f"made a fleet in {home.root}; from now on: export {VARIABLE}={home.root}")
    print(f"devices: bake {root} into their image as the trusted root")
    print(
        f"safe:    move keys/root-*.pem to {ROOT_KEYS} sticks, with a copy of keys/{ANCHOR} each; "
        f"{ROOT_THRESHOLD} of them sign when keys change"
    )
    print(f"server:  give out {home.metadata.parent} over HTTP; run `fissura fleet refresh` every hour")
    return 0
