"""Weights elsewhere make a bundle untried; where tensors can hide is the matter of `fissura.onnx_external_data`."""

from __future__ import annotations

import shutil
from pathlib import Path

import onnx
import pytest

from edge_runtime.updates.trial.external_data import check_bundle, check_no_external_data
from fissura.bundle import Bundle, load_bundle
from fissura.errors import RejectedError
from tests.edge_runtime.updates.harmful import point_elsewhere

TINY = Path(__file__).parents[4] / "examples" / "bundles" / "tiny"


def test_a_graph_of_a_bundle_with_weights_elsewhere_is_rejected(tmp_path: Path) -> None:
    bundle = load_bundle(TINY)
    check_bundle(bundle)
    shutil.copytree(TINY, tmp_path / "tiny")
    path = tmp_path / "tiny" / "fused.onnx"
    graph = onnx.load(path)
    point_elsewhere(graph.graph.initializer[0])
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(RejectedError, match=r"external-data: fused\.onnx"):
        check_bundle(Bundle(tmp_path / "tiny", bundle.manifest, bundle.id))


@pytest.mark.parametrize("data", [b"", b"no graph"])
def test_what_is_no_graph_is_rejected(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(data)
    with pytest.raises(RejectedError, match=r"graph: .*no ONNX graph"):
        check_no_external_data(path)
    with pytest.raises(RejectedError, match="graph: "):
        check_no_external_data(tmp_path / "none.onnx")
