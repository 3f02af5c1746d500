"""What engines cost, to set one beside another of like cost."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

from ask import ask, run

from fissura.errors import EngineError
from fissura.progress import progress

ROUNDS = 3


def networks_of(python: Path, folder: Path, size: str) -> list[Path]:
    """Ultralytics' networks for frames of a size; are exported where they are not there yet.

    Args:
        python: of the peers' environment.
        folder: of the ONNX files.
        size: as in ``480x320``.

    Raises:
        EngineError: the environment is not there, or does not export them.
    """
    if not python.is_file():
        raise EngineError(f"{python} is not there", fix=f"python benchmarks/runtime/environment.py {python.parents[1]}")
    run([str(python), "peer_ultralytics.py", "export", str(folder.absolute()), "--size", size])
    return sorted(folder.absolute().glob(f"*-{size}.onnx"))


def costs_of(models: Sequence[Path], threads: int, size: str) -> dict[Path, float]:
    """Milliseconds of an inference: the best of a few, since what disturbs an engine only makes it slower."""
    words = ["--threads", str(threads), "--size", size, "--seconds", "1"]
    costs = dict.fromkeys(models, math.inf)
    turns = [*models] * ROUNDS
    for model in progress(turns, "costs", len(turns)):
        found = ask([sys.executable, "bare.py", str(model), *words])
        costs[model] = min(costs[model], float(found["engine_ms"]["p50"]))
    return costs
