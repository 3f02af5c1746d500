"""The stand-ins have no name that the real modules lack: else the tests here would prove what no device runs."""

from __future__ import annotations

import enum
import importlib
import inspect

import pytest

from tests.edge_runtime.engines.tensorrt.conftest import VERSIONS, Vendor
from tests.edge_runtime.engines.tensorrt_api.surface import committed

# Of the stand-ins' own bookkeeping.
HELD = {"IOptimizationProfile.shapes", "ITimingCache.data"}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_public_name_is_one_of_the_bindings(vendor: Vendor, version: str) -> None:
    vendor.use(version)
    fake, real = importlib.import_module("tensorrt"), committed(version)
    assert fake.__version__ == real.version
    names = {
        name
        for name, value in vars(fake).items()
        if not name.startswith("_") and inspect.isclass(value) and value.__module__ == "tensorrt"
    }
    assert len(names) > 20
    wrong = [name for name in names if not real.is_class(name)]
    members = {
        f"{name}.{member}"
        for name in names
        for member in (
            getattr(fake, name).__members__ if issubclass(getattr(fake, name), enum.Enum) else vars(getattr(fake, name))
        )
        if not member.startswith("_")
    }
    wrong += [name for name in members - HELD if real.find(name) is None]
    assert not wrong, f"TensorRT {version} has no {sorted(wrong)}"
