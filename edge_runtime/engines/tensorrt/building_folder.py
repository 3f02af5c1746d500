"""Where a plan lies while it is built: a folder in the cache that names its process, and is gone afterwards."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = ".building-"


@contextmanager
def building_folder(cache: Path, limit_s: float) -> Iterator[Path]:
    """A new folder in the cache; those that killed processes have left there are removed first.

    Args:
        cache: is made if need be.
        limit_s: what a build may take: nothing builds in a folder that is older.

    Raises:
        OSError: the disk is full, or the cache is read-only.
    """
    cache.mkdir(parents=True, exist_ok=True)
    for folder in cache.glob(f"{PREFIX}*"):
        if _is_stale(folder, limit_s):
            shutil.rmtree(folder, ignore_errors=True)  # another process may be at it too
    with tempfile.TemporaryDirectory(dir=cache, prefix=f"{PREFIX}{os.getpid()}-") as name:
        yield Path(name)


def _is_stale(folder: Path, limit_s: float) -> bool:
    owner = re.match(rf"{re.escape(PREFIX)}(\d+)-", folder.name)
    if owner is not None and not _runs(int(owner[1])):
        return True
    with suppress(FileNotFoundError):  # its build has just ended
        return time.time() - folder.stat().st_mtime > limit_s
    return False


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        pass
    return True
