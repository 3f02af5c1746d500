"""Where a bundle may be written, and what it may be called."""

from __future__ import annotations

import re
from pathlib import Path

from fissura.bundle import MANIFEST_NAME, NAME
from fissura.errors import UsageError


def check_target(out: Path, name: str, *, force: bool) -> None:
    """Refuse a name or a folder that cannot become a bundle, before minutes of work.

    Args:
        out: folder of the bundle.
        name: of the bundle.
        force: a bundle that stands at `out` may be replaced (nothing else may).

    Raises:
        UsageError: the name is not allowed, or `out` is taken.
    """
    if re.fullmatch(NAME, name) is None:
        raise UsageError(
            f"a bundle cannot be named {name!r}",
            expected="up to 64 of a-z 0-9 . _ -, the first one a letter or a digit",
            fix="choose another --name",
        )
    if not out.exists():
        return
    if not force:
        raise UsageError(f"{out} exists already", fix="choose another --out, or add --force to replace the bundle")
    if not (out / MANIFEST_NAME).is_file():
        raise UsageError(f"{out} is no bundle: --force replaces bundles only", fix="choose another --out")
