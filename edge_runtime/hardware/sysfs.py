"""Reads of files of the kernel that may be absent, denied, gone meanwhile, or hold anything at all."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from pathlib import Path

MOST_BYTES = 4096
MOST_NAME = 48
_NUMBER = re.compile(rb"\s*(-?[0-9]{1,18})(?=\s|$)")


def read_bytes(path: Path) -> bytes | None:
    """The beginning of a file; None where it cannot be read."""
    try:
        # Non-blocking: what stands there need not be a regular file, and a pipe without a writer would hang.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    try:
        return os.read(handle, MOST_BYTES)
    except OSError:  # EAGAIN and EINVAL too: a sensor whose unit is powered down
        return None
    finally:
        os.close(handle)


def read_int(path: Path) -> int | None:
    """The number that a file begins with; None where there is none."""
    match = _NUMBER.match(read_bytes(path) or b"")
    return int(match[1]) if match else None


def read_name(path: Path, otherwise: str) -> str:
    """The name that a file holds, fit for a key of a message: letters, digits and ``._+-``."""
    text = (read_bytes(path) or b"").split(b"\n")[0].decode("ascii", "replace")
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-")[:MOST_NAME] or otherwise


def found(root: Path, pattern: str) -> list[Path]:
    """Paths below `root` that match, in the order of the numbers in them; empty where nothing does."""
    try:
        paths = list(root.glob(pattern))
    except OSError:
        return []
    return sorted(paths, key=_by_numbers)


def present(path: Path) -> bool:
    """Whether there is such a file, as far as we may know."""
    try:
        return path.exists()
    except OSError:
        return False


def unique(name: str, taken: Collection[str]) -> str:
    """The name, with a number behind it where it is taken."""
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name}-{number}"
    return candidate


def _by_numbers(path: Path) -> list[str | int]:
    # Text and digits take turns, so that what stands at the same position can be compared.
    parts = re.split(r"([0-9]+)", str(path))
    return [int(part) if index % 2 else part for index, part in enumerate(parts)]
