"""`fissura fleet publish`: sign a bundle as the next release of its model."""

from __future__ import annotations

import argparse
from pathlib import Path

from pydantic import ValidationError

from deploy.fleet.home import add_home, open_home
from deploy.fleet.registry.note import note
from deploy.fleet.repository.passphrase import add_passphrase, read_passphrase
from deploy.fleet.repository.repository import Repository
from fissura.errors import FleetError
from fissura.release import TensorRtRange


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the bundle and the devices it is for."""
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="folder of the bundle")
    parser.add_argument(
        "--hardware",
        nargs="+",
        default=["*"],
        metavar="PATTERN",
        help="kinds of devices it is for, as shell patterns: 'jetson-orin-*' x86_64 (default: all)",
    )
    parser.add_argument(
        "--tensorrt",
        type=_range,
        metavar="RANGE",
        help="versions of TensorRT it was proved with: 10.3..11, 10.3.. or ..10 (default: any)",
    )
    parser.add_argument("--oldest-fissura", metavar="X.Y.Z", help="oldest version of fissura that can run it")
    parser.add_argument("--notes", default="", metavar="TEXT", help="what is new, for people")
    add_home(parser)
    add_passphrase(parser)
    parser.add_argument("--json", action="store_true", help="print the release's document")


def run(arguments: argparse.Namespace) -> int:
    """Publish."""
    home = open_home(arguments)
    repository = Repository.open(home, read_passphrase(arguments))
    try:
        release = repository.publish(
            arguments.bundle,
            hardware=arguments.hardware,
            tensorrt=arguments.tensorrt,
            oldest_fissura=arguments.oldest_fissura,
            notes=arguments.notes,
        )
    except OSError as error:
        raise FleetError(
            f"the release cannot be written: {error}",
            expected=f"a folder {home.root} with room, that you may write to",
            fix="make room or get the permission, then the same command again",
        ) from error
    note(home, "publish", model=release.model, release=release.release, bundle=release.bundle_id)
    if arguments.json:
        print(release.to_json().decode(), end="")
        return 0
    print(f"published release {release.release} of {release.model}: {len(release.files)} files, {release.size:,} bytes")
    print(f"no device gets it yet: fissura fleet promote {release.model} {release.release} --channel stable")
    return 0


def _range(text: str) -> TensorRtRange:
    oldest, dots, newest = text.partition("..")
    try:
        if not dots or text == dots:
            raise ValueError("no range")
        return TensorRtRange(oldest=oldest or None, newest=newest or None)
    except (ValidationError, ValueError):
        raise FleetError(
            f"--tensorrt {text!r} is no range of versions", expected="OLDEST..NEWEST, either may be left out: 10.3..11"
        ) from None
