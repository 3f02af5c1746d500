"""Where the passphrase of the private keys comes from: never from the command line, which every process can read."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from fissura.errors import FleetError

VARIABLE = "FISSURA_FLEET_PASSPHRASE"
# A key file's own defence is weak: 2048 rounds of PBKDF2 are what PKCS8 gets from OpenSSL, so length has to do it.
SHORTEST = 16


def add_passphrase(parser: argparse.ArgumentParser) -> None:
    """Declare the option that names the passphrase's file."""
    parser.add_argument(
        "--passphrase-file",
        type=Path,
        metavar="FILE",
        help=f"its first line opens the private keys (default: the environment's {VARIABLE})",
    )


def read_passphrase(arguments: argparse.Namespace) -> str:
    """The passphrase that the command line or the environment names.

    Raises:
        FleetError: there is none, or its file cannot be read.
    """
    path: Path | None = arguments.passphrase_file
    if path is not None:
        return first_line(path)
    passphrase = os.environ.get(VARIABLE, "")
    if not passphrase:
        raise FleetError(
            f"the environment's {VARIABLE} holds no passphrase, which the private keys need",
            fix="set it, or name a file by --passphrase-file",
        )
    return passphrase


def first_line(path: Path) -> str:
    """The passphrase that a file holds.

    Raises:
        FleetError: it cannot be read, or its first line is empty.
    """
    try:
        passphrase = next(iter(path.read_text(encoding="utf-8").splitlines()), "")
    except (OSError, UnicodeDecodeError) as error:
        raise FleetError(f"passphrase file {path} cannot be read: {error}") from error
    if not passphrase:
        raise FleetError(f"{path} holds no passphrase", expected="one on its first line")
    return passphrase


def check_new(passphrase: str) -> None:
    """Whether keys may be made with a passphrase.

    Raises:
        FleetError: it is too short.
    """
    if len(passphrase) < SHORTEST:
        raise FleetError(
            f"the passphrase has {len(passphrase)} characters",
            expected=f"{SHORTEST} at least: whoever finds a key file can try many a second",
            fix="take five random words",
        )
