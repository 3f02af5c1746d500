"""Who finds and measures cracks in a map: numpy, which is the reference, or code that numba compiles.

Both give the same cracks. Compiled code takes well under half the time, and some 130 MB of memory, half a
second at every start and ten at the first (docs/adr/0009). So only the runtime asks for it, where numba is installed:
`pip install 'fissura[edge,fast]'`.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.metadata
import importlib.util
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fissura.imaging.find import Found, find
from fissura.imaging.images import Mask

logger = logging.getLogger(__name__)


class Find(Protocol):
    """See `fissura.imaging.find.find`."""

    def __call__(
        self,
        probability: NDArray[np.float32],
        *,
        threshold: float,
        low_threshold: float | None = None,
        keep: Mask | None = None,
        temperature: float = 1.0,
        min_length_px: float = 0,
    ) -> Found: ...


@dataclass(frozen=True)
class Implementation:
    """What there are two of in `find_cracks`.

    Attributes:
        name: of what does the work.
        find: from a map to components with sizes and outlines.
    """

    name: str
    find: Find


NUMPY = Implementation("numpy", find)


@functools.cache
def fastest() -> Implementation:
    """Compiled code where numba is installed and its code can be kept on disk; numpy's elsewhere.

    The first call of a process loads them, the first on a device compiles them: call it before the first frame.
    """
    if importlib.util.find_spec("numba") is None:
        return NUMPY
    try:
        return _compiled(default_folder() / _version())
    except Exception as error:  # whatever numba does on a device that nobody has tried it on: numpy works there
        logger.warning("cracks are measured by numpy, more than twice as slow, since numba fails: %s", error)
        return NUMPY


def default_folder() -> Path:
    """Where machine code is kept: ``$XDG_CACHE_HOME/fissura/compiled``."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "fissura" / "compiled"


def _compiled(folder: Path) -> Implementation:
    """Load the compiled code, or compile it.

    Args:
        folder: of this version's machine code; others beside it are removed.
    """
    new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    if new:
        logger.info("compiling the measurement of cracks: some ten seconds, once")
    began = time.monotonic()
    with _kept_in(folder):
        module = importlib.import_module("fissura.imaging.compiled.find")
    try:
        module.compile_all()
    except Exception as error:  # a file that a power cut has torn, say
        logger.warning("the compiled code in %s is damaged (%s): compiling again", folder, error)
        shutil.rmtree(folder, ignore_errors=True)
        new = True
        module.compile_all()
    if new:
        _tidy(folder)
        logger.info("compiled in %.1f s, kept in %s", time.monotonic() - began, folder)
    return Implementation("compiled", module.find)


@contextmanager
def _kept_in(folder: Path) -> Iterator[None]:
    """While functions are defined: their machine code goes to a folder of ours. Other users of numba have theirs."""
    config = importlib.import_module("numba").config
    before, config.CACHE_DIR = config.CACHE_DIR, str(folder)
    try:
        yield
    finally:
        config.CACHE_DIR = before


def _tidy(folder: Path) -> None:
    """Machine code is on the disk for good, and no other version's is left."""
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # of another process that compiles at the same time
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
    for other in folder.parent.iterdir():
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)


def _version() -> str:
    """Of all that the machine code depends on: numba looks at the file of a function alone, not at what it calls."""
    libraries = [importlib.metadata.version(name) for name in ("numba", "numpy")]
    digest = hashlib.sha256(" ".join(libraries).encode())
    here = Path(__file__).parent
    for path in (*sorted(here.glob("*.py")), *sorted((here / "compiled").glob("*.py"))):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
