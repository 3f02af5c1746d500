"""Who finds and measures components: numpy, which is the reference, or code that numba compiles.

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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fissura.imaging.components import Components, Indices, Points, find_components
from fissura.imaging.images import Mask
from fissura.imaging.measure import Measurements, measure_components
from fissura.imaging.outlines import find_outlines

logger = logging.getLogger(__name__)


class FindComponents(Protocol):
    """See `fissura.imaging.components.find_components`."""

    def __call__(self, canvas: Mask, *, min_length_px: float = 0) -> Components: ...


@dataclass(frozen=True)
class Implementation:
    """The stages of `find_cracks` that there are two of.

    Attributes:
        name: of what does the work.
        find_components: see `fissura.imaging.components`.
        measure_components: see `fissura.imaging.measure`.
        find_outlines: see `fissura.imaging.outlines`.
    """

    name: str
    find_components: FindComponents
    measure_components: Callable[[Components], Measurements]
    find_outlines: Callable[[Components, Indices], list[Points]]


NUMPY = Implementation("numpy", find_components, measure_components, find_outlines)


@functools.cache
def fastest() -> Implementation:
    """The compiled stages where numba is installed and its code can be kept on disk; numpy's elsewhere.

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
    """Load the compiled stages, or compile them.

    Args:
        folder: of this version's machine code; others beside it are removed.
    """
    new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    if new:
        logger.info("compiling the measurement of cracks: some ten seconds, once")
    began = time.monotonic()
    with _kept_in(folder):
        stages = importlib.import_module("fissura.imaging.compiled.stages")
    try:
        stages.compile_all()
    except Exception as error:  # a file that a power cut has torn, say
        logger.warning("the compiled code in %s is damaged (%s): compiling again", folder, error)
        shutil.rmtree(folder, ignore_errors=True)
        new = True
        stages.compile_all()
    if new:
        _tidy(folder)
        logger.info("compiled in %.1f s, kept in %s", time.monotonic() - began, folder)
    return Implementation("compiled", stages.find_components, stages.measure_components, stages.find_outlines)


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
