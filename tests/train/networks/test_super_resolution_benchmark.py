"""The benchmark of super-resolution networks: what it compares, how it times, what it writes."""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from train.config import RECIPES, load_recipe

FOLDER = Path(__file__).parents[3] / "benchmarks" / "super_resolution"
MODULES = ("run", "summary", "timing", "variants", "operators")


@pytest.fixture(scope="module")
def benchmark() -> Iterator[Any]:
    """The benchmark's modules, which lie beside its script and in no package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        before = {name: sys.modules.pop(name, None) for name in MODULES}
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES})
        for name, module in before.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module


def test_recipes_differ_in_super_resolution_alone(benchmark: Any) -> None:
    trained = [variant for variant in benchmark.variants.VARIANTS if variant.trained]
    assert {variant.recipe for variant in trained} == {
        f"edge/{path.stem}" for path in (RECIPES / "edge").glob("deepcrack256-*.yaml")
    }
    others = []
    for variant in trained:
        values = load_recipe(variant.recipe, {}).model_dump()
        assert values["model"].pop("super_resolution") == variant.options
        learns = variant.options["name"] != "interpolation"
        assert values["joint"].pop("beta") == (0.3 if learns else 1)
        del values["name"]
        others.append(values)
    assert all(values == others[0] for values in others)


def test_recipes_take_half_the_steps_of_the_paper_s_variant_and_are_like_it_otherwise() -> None:
    from train.scale import scaled

    paper, own = (
        recipe.model_dump()
        for recipe in (
            scaled(load_recipe("paper004/deepcrack256-joint-bc2", {}), "cpu"),
            load_recipe("edge/deepcrack256-abpn-32x6", {}),
        )
    )
    for section in ("data", "joint", "augmentation", "optimiser", "seed"):
        assert own[section] == paper[section], section
    assert own["epochs"] == paper["epochs"] // 2
    assert own["loss"] == paper["loss"] | {"alpha_step": 2 * paper["loss"]["alpha_step"]}  # to the same share


def test_labels_are_unique_and_hold_the_reference(benchmark: Any) -> None:
    labels = [variant.label for variant in benchmark.variants.VARIANTS]
    assert len(set(labels)) == len(labels)
    assert benchmark.variants.REFERENCE in labels


def test_cost(benchmark: Any) -> None:
    by_label = {variant.label: variant for variant in benchmark.variants.VARIANTS}
    assert benchmark.run.cost(by_label["bicubic"]) == {
        "parameters": 0,
        "halo_px": 2,
        "gflops": {"64x64": 0.0, "160x120": 0.0},
    }
    assert benchmark.run.cost(by_label["dbpn-6x64"])["parameters"] == 8_802_094
    light = benchmark.run.cost(by_label["abpn-32x6"])
    assert (light["parameters"], light["halo_px"]) == (61_008, 7)
    assert light["gflops"]["160x120"] / light["gflops"]["64x64"] == pytest.approx(160 * 120 / 64**2, rel=1e-3)


def test_calls_take_turns_and_slow_ones_sit_out(benchmark: Any) -> None:
    order: list[str] = []

    def busy(label: str, seconds: float) -> None:
        order.append(label)
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    times = benchmark.timing.measure({"a": lambda: busy("a", 0), "b": lambda: busy("b", 0.01)}, 6, 0.015)
    assert order[:6] == ["a", "b"] * 3
    assert len(times["a"]) == 6
    assert len(times["b"]) == benchmark.timing.LEAST_ROUNDS
    assert min(times["b"]) >= 10


def test_ratio_is_of_the_same_round(benchmark: Any) -> None:
    found = benchmark.timing.summary([2.0, 20.0, 4.0], [1.0, 10.0, 2.0, 7.0])
    assert found == {"ms": 4.0, "quartiles_ms": [3.0, 12.0], "ratio": 2.0, "rounds": 3}


@pytest.mark.parametrize("scored", [False, True])
def test_writes_tables_and_plots(benchmark: Any, tmp_path: Path, scored: bool) -> None:
    variants = [v for v in benchmark.variants.VARIANTS if v.trained]
    timed = {"ms": 12.34, "quartiles_ms": [12, 13], "ratio": 0.5, "rounds": 3}
    scores = {"psnr_db": 25.678, "ssim": 0.7654, "max_iou": 0.6543, "aiu_code": 0.5678}
    result = {
        "command": "python run.py",
        "rounds": 3,
        "segmentation": {"options": {"name": "hrsegnet"}, "parameters": 5, "gflops": {"64x64": 1, "160x120": 4}},
        "versions": {"onnxruntime": "1.0"},
        "machine": {"processor": "a processor"},
        "variants": [
            {
                "variant": variant.label,
                "family": variant.family,
                **benchmark.run.cost(variant),
                "times": {frame: dict.fromkeys(benchmark.run.ROLES, timed) for frame in benchmark.run.FRAMES},
                "quality": scores if scored else None,
            }
            for variant in variants
        ],
    }
    text = benchmark.summary.write(json.loads(json.dumps(result)), tmp_path)
    assert (tmp_path / "README.md").read_text() == text
    assert "| abpn-32x6 | 61,008 | 7 | 0.499 | 12.3 | 0.50 | 12.3 | 0.50 | 2.339 |" in text
    assert ("| abpn-32x6 | 25.68 | 0.7654 | 0.6543 | 0.5678 | 0.499 | 12.3 | 12.3 |" in text) == scored
    assert (tmp_path / "quality.png").exists() == scored
    assert (tmp_path / "cost.png").stat().st_size > 10_000


@pytest.mark.parametrize("channels", [8, 16])
def test_operators_run_and_are_counted(benchmark: Any, channels: int) -> None:
    import numpy as np

    found = benchmark.operators.cases(channels)
    assert len(found) == 6
    for content, shape, gflops in found.values():
        (out,) = benchmark.timing.session(content)(np.zeros(shape, np.float32))
        assert out.shape[2:] in {(120, 160), (480, 640)}
        assert gflops >= 0
    deconvolution = found["deconvolution 8x8, stride 4"]
    assert deconvolution[2] == pytest.approx(2e-9 * 64 * channels**2 * 160 * 120)
