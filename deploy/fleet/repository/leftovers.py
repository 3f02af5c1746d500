"""Halves of files that a killed publisher left."""

from __future__ import annotations

import re
from pathlib import Path

ASIDE = r"\..+-[a-z0-9_]{8}(\.\w+)?"  # how `fissura.files.replacing` names what is not whole yet


def sweep(folder: Path) -> None:
    """Remove them from a folder and those below it. Only for whoever holds the publisher's lock."""
    for path in folder.rglob(".*"):
        if re.fullmatch(ASIDE, path.name) and path.is_file():
            path.unlink()
