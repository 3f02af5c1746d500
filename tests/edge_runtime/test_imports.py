"""A vehicle has neither PyTorch nor the memory for it: the runtime must not load what it does not need."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys

import edge_runtime

FORBIDDEN = {
    "torch",
    "lightning",
    "tensorrt",
    "openvino",
    "pycuda",
    "cuda",
    "kornia",
    "matplotlib",
    "numba",
    "train",
    "export",
    "calibration",
}
LIGHT = {"onnxruntime", "paho", "cv2", "numpy", "scipy", "skimage"}
LOADED = "; import sys, json; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"


def _loaded_by(code: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", code + LOADED], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_no_module_of_the_runtime_loads_training_or_a_vendors_library() -> None:
    modules = [module.name for module in pkgutil.walk_packages(edge_runtime.__path__, "edge_runtime.")]
    assert len(modules) > 30
    loaded = _loaded_by("import " + ", ".join(["edge_runtime", *modules]))
    assert loaded & FORBIDDEN == set()


def test_the_package_and_its_tables_load_no_plugin() -> None:
    loaded = _loaded_by("import edge_runtime, edge_runtime.sources, edge_runtime.sinks, edge_runtime.engines")
    assert loaded & (FORBIDDEN | {"onnxruntime", "paho"}) == set()


def test_help_loads_nothing_heavy() -> None:
    loaded = _loaded_by("import fissura.cli as c\ntry: c.main(['--help'])\nexcept SystemExit: pass\nimport sys")
    assert loaded & (FORBIDDEN | LIGHT) == set()
