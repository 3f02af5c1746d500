"""What TensorRT measured in earlier builds, which makes the next one faster. A lost or damaged file costs time only."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from fissura.files import replacing

logger = logging.getLogger(__name__)


def timing_cache_path(folder: Path, tensorrt: str, gpu: str, capability: str) -> Path:
    """The file for one version of the library on one kind of GPU: measurements of others are refused."""
    gpu_name = re.sub(r"[^A-Za-z0-9]+", "-", gpu).strip("-")
    return folder / f"timing-{tensorrt}-{gpu_name}-{capability}.cache"


def use_timing_cache(config: Any, path: Path) -> None:
    """Give a builder configuration the measurements of earlier builds."""
    try:
        known = path.read_bytes()
    except OSError:
        known = b""
    cache = config.create_timing_cache(known)
    if not config.set_timing_cache(cache, ignore_mismatch=False):
        config.set_timing_cache(config.create_timing_cache(b""), ignore_mismatch=False)


def keep_timing_cache(config: Any, path: Path) -> None:
    """Write the measurements down for the next build."""
    try:
        with replacing(path) as aside:
            aside.write_bytes(memoryview(config.get_timing_cache().serialize()))
    except OSError as error:
        logger.warning("the timing cache %s cannot be written: %s", path, error)
