"""The folder of a fleet, and what lies where in it.

::

    fleet.yaml             settings (see `settings`)
    keys/                  private keys, encrypted; the root keys belong on sticks in a safe
    repository/metadata/   what a web server gives out: signed metadata
    repository/targets/    and the files it vouches for, named by their hash
    state/                 what the operator knows: devices, roll-outs, detections
    ca/                    the authority that issues the devices' certificates
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

from fissura.errors import FleetError

VARIABLE = "FISSURA_FLEET"


@dataclass(frozen=True)
class FleetHome:
    """Paths of a fleet.

    Attributes:
        root: the fleet's folder.
    """

    root: Path

    @property
    def settings(self) -> Path:
        return self.root / "fleet.yaml"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def metadata(self) -> Path:
        return self.root / "repository" / "metadata"

    @property
    def targets(self) -> Path:
        return self.root / "repository" / "targets"

    @property
    def registry(self) -> Path:
        return self.root / "state" / "fleet.sqlite"

    @property
    def detections(self) -> Path:
        return self.root / "state" / "detections.sqlite"

    @property
    def authority(self) -> Path:
        return self.root / "ca"


def add_home(parser: argparse.ArgumentParser) -> None:
    """Declare the option that names the fleet."""
    parser.add_argument(
        "--fleet",
        type=Path,
        default=Path(os.environ.get(VARIABLE, ".")),
        metavar="DIR",
        help=f"folder of the fleet (default: {VARIABLE}, else the current folder)",
    )


def open_home(arguments: argparse.Namespace) -> FleetHome:
    """The fleet that the command line names.

    Raises:
        FleetError: there is none.
    """
    home = FleetHome(arguments.fleet)
    if not home.settings.is_file():
        raise FleetError(
            f"{home.root} is no folder of a fleet: it has no {home.settings.name}",
            fix=f"fissura fleet init DIR, then name it by --fleet or {VARIABLE}",
        )
    return home
