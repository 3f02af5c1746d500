"""The suite of all engines, with a TensorRT that builds and runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.edge_runtime.engines.tensorrt.conftest import Vendor
from tests.edge_runtime.engines.test_engines import (
    test_a_batch_that_does_not_fit_is_an_error_of_ours as test_a_batch_that_does_not_fit,
)
from tests.edge_runtime.engines.test_engines import (
    test_a_file_that_is_no_graph,
    test_a_graph_that_is_not_what_the_manifest_says,
    test_a_graph_that_wants_floats_is_refused,
    test_computes_the_graph,
    test_enlarges_in_the_inputs_layout,
)

__all__ = [
    "test_a_batch_that_does_not_fit",
    "test_a_file_that_is_no_graph",
    "test_a_graph_that_is_not_what_the_manifest_says",
    "test_a_graph_that_wants_floats_is_refused",
    "test_computes_the_graph",
    "test_enlarges_in_the_inputs_layout",
]


@pytest.fixture
def kind(vendor: Vendor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    return "tensorrt"
