"""TensorRT's own table of INT8 scales, made from a bundle's ranges.

The text has a heading with the library's version and the algorithm, then one line a tensor: its name and the scale as
the hexadecimal digits of a 32-bit float, most significant byte first.
"""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path

from edge_runtime.engines.tensorrt.plan_header import Version
from fissura.errors import EngineError

LARGEST_INT8 = 127


def read_scales(path: Path, role: str) -> dict[str, float]:
    """Symmetric scales of a bundle's `ranges.json`: max(|low|, |high|) / 127, by tensor.

    Args:
        path: the file.
        role: of the graph. Of its tables the symmetric one is taken, where there is one.

    Raises:
        EngineError: the file is missing, is no table of ranges, or knows nothing of this graph.
    """
    try:
        tables = json.loads(path.read_text(encoding="utf-8"))["graphs"][role]
        tensors = (tables.get("int8-portable") or tables["int8-cpu"])["tensors"]
        ends = {name: (abs(float(one["low"])), abs(float(one["high"]))) for name, one in tensors.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineError(
            f"{path} has no table of ranges for graph {role}: {error!r}",
            expected="a file that `fissura export --precision int8` wrote",
            fix="export the bundle again with --precision int8, or leave out `ranges`",
        ) from error
    bad = [name for name, both in ends.items() if not all(map(math.isfinite, both)) or ":" in name]
    if bad:
        raise EngineError(f"{path}: tensor {bad[0]!r} has no finite range, or a name with a colon")
    return {name: max(both) / LARGEST_INT8 for name, both in ends.items() if max(both) > 0}  # a zero needs no scale


def calibration_table(scales: dict[str, float], version: Version) -> bytes:
    """The table that TensorRT of this version reads.

    Example:
        >>> print(calibration_table({"conv_output": 0.5}, (8, 6, 1)).decode())
        TRT-8601-EntropyCalibration2
        conv_output: 3f000000
        <BLANKLINE>
    """
    lines = [f"TRT-{_number(version)}-EntropyCalibration2"]
    lines += [f"{name}: {struct.pack('>f', scale).hex()}" for name, scale in scales.items()]
    return ("\n".join(lines) + "\n").encode()


def _number(version: Version) -> int:
    """The version as one number; since 10.0 its parts have two digits."""
    major, minor, patch = version[:3]
    return major * 10000 + minor * 100 + patch if major >= 10 else major * 1000 + minor * 100 + patch
