"""A frame in tiles gives what the whole frame gives, on the vehicle's engine, for every kind of model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_runtime.engines import open_engine
from edge_runtime.engines.engine import Engine
from edge_runtime.stages import StageTimes
from edge_runtime.step import Step
from edge_runtime.tiled_frame import Tiled
from edge_runtime.tiles import TileRunner
from edge_runtime.whole_frame import WholeFrame
from export.onnx import export_graph
from fissura.bundle import Graph, Role
from fissura.errors import ConfigError
from tests.edge_runtime.conftest import pavement
from train.model import ModelConfig, build_model

UNET = {"name": "unet", "widths": [4, 8, 8]}
DBPN = {"name": "dbpn", "scale": 2, "stages": 2, "width": 4, "features": 8}
CSSR = {
    "segmentation": {"name": "unet16", "widths": [4, 4, 8, 8, 8]},
    "super_resolution": {**DBPN, "scale": 4},
    "normalisation": "instance",
}
MODELS: dict[str, dict[str, Any]] = {
    "segmentation": {"segmentation": UNET},
    "fixed": {"segmentation": UNET, "super_resolution": DBPN},
    "cssr": CSSR,
    "inverse": {"segmentation": UNET, "super_resolution": DBPN, "order": "segmentation_first"},
    "statistics of the frame": {"segmentation": UNET, "normalisation": "instance"},
}


@dataclass(frozen=True)
class Loaded:
    graphs: dict[Role, Graph]
    engines: dict[Role, Engine]

    @property
    def whole(self) -> WholeFrame:
        role: Role = "fused" if "fused" in self.graphs else "segmentation"
        return WholeFrame(role, [Step(role, self.graphs[role], self.engines[role])])

    def tiled(self, *, core: int, batch: int, halo: int | None = None) -> Tiled:
        def runner(role: Role, halo: int | None, batch: int) -> TileRunner:
            return TileRunner(self.graphs[role], self.engines[role], core=core, halo=halo, batch=batch)

        enlarge = runner("super_resolution", None, 1) if "super_resolution" in self.graphs else None
        return Tiled("fused", runner("tile", halo, batch), enlarge)


@pytest.fixture(scope="module", params=MODELS)
def loaded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    torch.manual_seed(4)
    model = build_model(ModelConfig.model_validate(MODELS[request.param])).eval()
    roles: list[Role] = ["segmentation" if model.super_resolution is None else "fused", "tile"]
    if model.normalisation == "instance" and not model.segments_frames:
        roles.append("super_resolution")
    folder: Path = tmp_path_factory.mktemp("graphs")
    graphs, engines = {}, {}
    with ExitStack() as stack:
        for role in roles:
            exported = export_graph(model, role)
            (folder / exported.file).write_bytes(exported.onnx)
            graphs[role] = exported.entry(None if role == "super_resolution" else 0.5)
            engines[role] = open_engine("onnxruntime", folder / exported.file, graphs[role], {"threads": 1})
            stack.callback(engines[role].close)
        yield Loaded(graphs, engines)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    height=st.integers(17, 110),
    width=st.integers(17, 110),
    core=st.integers(8, 40),
    batch=st.integers(1, 5),
    seed=st.integers(0, 100),
)
def test_stitched_equals_whole_at_full_halo(
    loaded: Loaded, height: int, width: int, core: int, batch: int, seed: int
) -> None:
    image = pavement(seed, height=height, width=width)
    whole = loaded.whole.run(image, StageTimes()).copy()
    stitched = loaded.tiled(core=core, batch=batch).run(image, StageTimes())
    assert stitched.shape == whole.shape
    assert whole.std() > 1e-3  # a constant would be no proof
    np.testing.assert_allclose(stitched, whole, atol=1e-4)


def test_less_than_the_full_halo_differs(loaded: Loaded) -> None:
    image = pavement(1, height=97, width=83)
    whole = loaded.whole.run(image, StageTimes()).copy()
    stitched = loaded.tiled(core=16, batch=2, halo=0).run(image, StageTimes())
    assert np.abs(stitched - whole).max() > 1e-3


def test_a_graph_without_a_halo_cannot_be_cut(loaded: Loaded) -> None:
    graph = loaded.graphs["tile"].model_copy(update={"halo": None})
    with pytest.raises(ConfigError, match="depends on the whole frame"):
        TileRunner(graph, loaded.engines["tile"], core=16)
    assert TileRunner(graph, loaded.engines["tile"], core=16, halo=4).halo == 4
