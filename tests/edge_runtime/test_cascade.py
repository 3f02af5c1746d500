"""The cascade gives the full result where it looks twice, the cheap one elsewhere, and keeps to its time."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_runtime.budget import FrameBudget
from edge_runtime.cascade import Cascade
from edge_runtime.engines import open_engine
from edge_runtime.engines.engine import Engine
from edge_runtime.inference import Mode, TileOptions, open_inference
from edge_runtime.stages import StageTimes
from edge_runtime.step import Step
from edge_runtime.tiles import TileRunner
from fissura.bundle import load_bundle
from fissura.config import Config
from fissura.errors import BundleError, UsageError
from fissura.imaging.images import RgbImage
from tests.bundles import CASCADE_ROLES, ROLES, Layout, make_bundle
from tests.edge_runtime.conftest import pavement

THREAD: dict[str, object] = {"threads": 1}
CORE = 16


@pytest.fixture(scope="module")
def cascade_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("cascade"), roles=CASCADE_ROLES)


def one_crack(seed: int = 0, *, width: int = 160, height: int = 96) -> RgbImage:
    """A crack in the left part of a flat frame."""
    image = pavement(seed, width=width, height=height)
    image[:, width // 2 :] = 150
    return image


def opened(bundle: Path, **options: object) -> Cascade:
    tiles = TileOptions(core=CORE, **options)  # type: ignore[arg-type]
    inference = open_inference(load_bundle(bundle), "cascade", "onnxruntime", THREAD, tiles)
    assert isinstance(inference, Cascade)
    return inference


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize(("height", "width"), [(96, 160), (91, 157)])
def test_full_result_in_the_proposed_tiles_and_the_cheap_one_elsewhere(
    tmp_path: Path, layout: Layout, height: int, width: int
) -> None:
    bundle = make_bundle(tmp_path / "bundle", roles=CASCADE_ROLES, layout=layout)
    image = one_crack(width=width, height=height)
    full, cheap = (
        open_inference(load_bundle(bundle), mode, "onnxruntime", THREAD).run(image, StageTimes())
        for mode in ("full", "lr-only")
    )
    cascade = opened(bundle, halo=16)
    found = cascade.run(image, StageTimes())
    assert found.shape == full.shape == (2 * height, 2 * width)
    enlarged = cv2.resize(cheap, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR)
    counts = cascade.tiles
    assert counts is not None
    as_full = as_cheap = 0
    for top in range(0, 2 * height, 2 * CORE):
        for left in range(0, 2 * width, 2 * CORE):
            tile = np.s_[top : top + 2 * CORE, left : left + 2 * CORE]
            as_full += np.allclose(found[tile], full[tile], atol=1e-4)
            as_cheap += np.allclose(found[tile], enlarged[tile], atol=1e-6)
    assert counts.total == 6 * 10
    assert 6 <= counts.proposed == counts.refined < 30
    assert counts.left_out == 0
    assert as_full >= counts.refined
    assert as_cheap == counts.total - counts.refined
    threshold = cascade.threshold
    assert ((full >= threshold) <= (cv2.dilate(np.uint8(found >= threshold), np.ones((5, 5), np.uint8)) > 0)).all()


def test_without_time_the_cheap_result_stays_and_the_rest_is_counted(cascade_bundle: Path) -> None:
    image = one_crack()
    budget = FrameBudget(1e-3)
    cascade = opened(cascade_bundle, budget=budget)
    budget.start()
    found = cascade.run(image, StageTimes())
    assert cascade.tiles is not None
    assert cascade.tiles.refined == 0
    assert cascade.tiles.left_out == cascade.tiles.proposed > 0
    assert (found >= cascade.threshold).any(), "the crack that the cheap pass saw is still there"


class Metered:
    """An engine whose tiles each take so many milliseconds of a clock that nothing else moves."""

    config_class: ClassVar[type[Config]] = Config

    def __init__(self, engine: Engine) -> None:
        self._engine, self.name = engine, engine.name
        self.tile_ms, self.now = 5.0, 0.0

    def clock(self) -> float:
        return self.now

    def run(self, batch: NDArray[np.uint8], statistics: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        self.now += len(batch) * self.tile_ms / 1e3
        return self._engine.run(batch, statistics)

    def close(self) -> None:
        self._engine.close()


def test_budget_is_held_and_follows_the_device(cascade_bundle: Path) -> None:
    bundle = load_bundle(cascade_bundle)
    proposal, tile = (
        open_engine("onnxruntime", bundle.graph_path(role), bundle.graph(role), THREAD) for role in ("proposal", "tile")
    )
    metered = Metered(tile)
    budget = FrameBudget(80, metered.clock)
    runner = TileRunner(bundle.graph("tile"), metered, core=CORE, halo=8, batch=4)
    cascade = Cascade(Step("proposal", bundle.graph("proposal"), proposal), runner, 0.05, budget)

    def refined(tile_ms: float) -> list[int]:
        metered.tile_ms, done = tile_ms, []
        for seed in range(8):
            budget.start()
            cascade.run(pavement(seed, width=320, height=240), StageTimes())
            inferred_s = metered.clock()
            metered.now += 0.01  # decoding and outputs
            budget.finish(inferred_s)
            assert cascade.tiles is not None
            assert cascade.tiles.proposed > 20
            done.append(cascade.tiles.refined)
        return done

    assert refined(5)[-1] in (12, 13, 14)  # 80 ms, of which 10 are held back
    slowed = refined(20)
    assert slowed[-1] in (2, 3)
    assert slowed == sorted(slowed, reverse=True)


@pytest.mark.parametrize(
    ("mode", "options", "message"),
    [
        ("full", {"budget": FrameBudget(10)}, "a budget in mode 'fused'"),
        ("lr-only", {"core": 16}, "tiles in mode 'lr-only'"),
        ("sr+segmentation", {"core": 16}, "tiles in mode 'sr\\+segmentation'"),
    ],
)
def test_options_that_a_mode_does_not_have(
    tmp_path: Path, mode: Mode, options: dict[str, object], message: str
) -> None:
    bundle = make_bundle(tmp_path / "all", roles=(*ROLES, "tile", "proposal"))
    with pytest.raises(UsageError, match=message):
        open_inference(load_bundle(bundle), mode, "onnxruntime", THREAD, TileOptions(**options))  # type: ignore[arg-type]


def test_a_bundle_without_a_cheap_pass_says_how_to_get_one(bundle: Path) -> None:
    with pytest.raises(BundleError, match="cannot run in mode 'cascade'") as caught:
        open_inference(load_bundle(bundle), "cascade", "onnxruntime", THREAD)
    assert "--proposal" in caught.value.fix


def test_the_cheap_pass_alone_works_at_the_camera_s_resolution(cascade_bundle: Path) -> None:
    inference = open_inference(load_bundle(cascade_bundle), "lr-only", "onnxruntime", THREAD)
    assert inference.scale == 1
    assert inference.run(one_crack(), StageTimes()).shape == (96, 160)
