"""The modules of `benchmarks/cascade`, which lie beside its scripts and in no package."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "cascade"
MODULES = ("pictures", "ground", "crops", "mosaic", "clips", "quality", "modes", "report", "run", "deadline")


@pytest.fixture(scope="module")
def cascade() -> Iterator[Any]:
    """All of them, by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        before = {name: sys.modules.pop(name, None) for name in MODULES}
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES})
        for name, module in before.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module
