from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edge_runtime.engines import open_engine
from edge_runtime.engines.engine import Engine
from edge_runtime.engines.tensorrt.engine import TensorRtEngine
from fissura.bundle import Graph, Role, read_manifest
from tests.bundles import make_bundle

FAKES = Path(__file__).parents[3] / "fake_vendor"
MODULES = ("tensorrt", "cuda", "cuda.bindings", "cuda.bindings.runtime", "pycuda", "pycuda.driver", "fake_gpu")
VERSIONS = ("8.6.1", "10.3.0", "11.4.0.106")


class Vendor:
    """Stand-ins for NVIDIA's modules, in this process and in those that it starts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
        self._monkeypatch = monkeypatch
        self.cache = cache

    def use(self, version: str = "11.4.0.106", fault: str = "", **environment: str) -> None:
        """Make this version the installed one; a second call is an update."""
        for name, value in {"FAKE_TENSORRT_VERSION": version, "FAKE_TENSORRT_FAULT": fault, **environment}.items():
            self._monkeypatch.setenv(name, value)
        for name in MODULES:
            sys.modules.pop(name, None)

    def open(self, path: Path, graph: Graph, **options: object) -> TensorRtEngine:
        """The engine, which must not fall back unless told so."""
        return TensorRtEngine(path, graph, self.config(**options))

    def config(self, **options: object) -> Any:
        return TensorRtEngine.config_class(
            **{"cache": self.cache, "size": (96, 72), "fallback": False, "threads": 1, **options}
        )

    def gpu(self) -> Any:
        import fake_gpu  # type: ignore[import-not-found]

        return fake_gpu

    def plans(self) -> list[Path]:
        return sorted(self.cache.glob("*.plan"))

    def sidecar(self) -> dict[str, Any]:
        (plan,) = self.plans()
        found: dict[str, Any] = json.loads(plan.with_suffix(".json").read_text())
        return found


@pytest.fixture
def vendor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Vendor]:
    """TensorRT 11.4 and a GPU; the test fails if it leaves anything on the GPU."""
    yield from _vendor(monkeypatch, tmp_path / "cache")


def _vendor(monkeypatch: pytest.MonkeyPatch, cache: Path) -> Iterator[Vendor]:
    monkeypatch.syspath_prepend(str(FAKES))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(FAKES), os.environ.get("PYTHONPATH", "")]))
    for name in MODULES:  # what is really installed comes back after the test
        monkeypatch.delitem(sys.modules, name, raising=False)
    made = Vendor(monkeypatch, cache)
    made.use()
    yield made
    if "fake_gpu" in sys.modules:
        assert set(made.gpu().live().values()) == {0}, f"left on the GPU: {made.gpu().live()}"
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Graph]:
    """A graph without convolutions, which any version builds."""
    return graph_of(make_bundle(tmp_path_factory.mktemp("small"), roles=("segmentation",)), "segmentation")


@pytest.fixture(scope="session")
def built(small: tuple[Path, Graph], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the plan of `small` for TensorRT 11.4."""
    folder = tmp_path_factory.mktemp("built") / "cache"
    with pytest.MonkeyPatch.context() as monkeypatch:
        for made in _vendor(monkeypatch, folder):
            made.open(*small).close()
    return folder


@pytest.fixture
def warm(vendor: Vendor, built: Path) -> Vendor:
    """A start after the first: the plan of `small` is there."""
    shutil.copytree(built, vendor.cache)
    return vendor


def graph_of(bundle: Path, role: Role) -> tuple[Path, Graph]:
    graph = read_manifest(bundle).graphs[role]
    return bundle / graph.file, graph


def reference(path: Path, graph: Graph) -> Engine:
    return open_engine("onnxruntime", path, graph, {"threads": 1})


def pixels(*shape: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
