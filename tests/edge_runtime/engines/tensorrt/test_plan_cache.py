from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.engines.tensorrt.plan_cache import PlanCache, PlanKey

KEY = PlanKey(
    onnx_sha256="a" * 64,
    tensorrt="10.3.0",
    gpu="Orin",
    compute_capability="8.7",
    precision="fp16",
    settings="",
    profile="1x8x8x3 1x72x96x3 1x72x96x3",
)
PLAN = b"ftrt" + bytes(20) + bytes([10, 3, 0, 30]) + b"code"


@pytest.fixture
def cache(tmp_path: Path) -> PlanCache:
    built = tmp_path / "plans" / "built"
    built.parent.mkdir()
    built.write_bytes(PLAN)
    cache = PlanCache(tmp_path / "plans")
    cache.keep(KEY, built, {"conv1": "fp16"}, 12.5)
    return cache


def test_finds_what_it_keeps(cache: PlanCache) -> None:
    found = cache.find(KEY)
    assert found.plan is not None and found.plan.read_bytes() == PLAN
    assert sorted(path.suffix for path in cache.folder.iterdir()) == [".json", ".plan"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tensorrt": "10.16.1"}, "built for TensorRT 10.3.0, this is 10.16.1"),
        ({"gpu": "Thor"}, "built for GPU Orin 8.7, this is Thor 8.7"),
        ({"compute_capability": "11.0"}, "GPU Orin 8.7, this is Orin 11.0"),
        ({"onnx_sha256": "b" * 64}, "none yet"),
        ({"precision": "int8"}, "none yet"),
        ({"profile": "1x8x8x3 1x8x8x3 1x8x8x3"}, "none yet"),
        ({"settings": "flags"}, "none yet"),
    ],
)
def test_a_plan_for_something_else_is_none(cache: PlanCache, changes: dict[str, str], reason: str) -> None:
    found = cache.find(KEY.model_copy(update=changes))
    assert found.plan is None and reason in found.reason


def test_an_update_takes_the_old_plans_place(cache: PlanCache) -> None:
    newer = KEY.model_copy(update={"tensorrt": "10.16.1"})
    assert cache.plan_path(newer) == cache.plan_path(KEY)


def test_every_damaged_byte_of_the_plan_is_noticed(cache: PlanCache) -> None:
    for position in range(len(PLAN)):
        damaged = bytearray(PLAN)
        damaged[position] ^= 1
        cache.plan_path(KEY).write_bytes(bytes(damaged))
        assert cache.find(KEY).plan is None, position
    cache.plan_path(KEY).write_bytes(PLAN[:-1])
    assert cache.find(KEY).reason == "it is damaged"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": 1}'])
def test_a_damaged_sidecar_is_noticed(cache: PlanCache, text: str) -> None:
    sidecar = cache.plan_path(KEY).with_suffix(".json")
    sidecar.write_text(text)
    assert "missing or damaged" in cache.find(KEY).reason
    sidecar.unlink()
    assert "missing or damaged" in cache.find(KEY).reason


def test_a_plan_by_another_library_than_the_sidecar_says(cache: PlanCache, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(PLAN[:24] + bytes([10, 7, 0, 23]) + PLAN[28:])
    cache.keep(KEY, other, {}, 1.0)
    assert cache.find(KEY).reason == "TensorRT 10.7.0.23 wrote it, this is 10.3.0"


def test_forgets(cache: PlanCache) -> None:
    cache.forget(KEY)
    assert cache.find(KEY).reason == "there is none yet" and not list(cache.folder.iterdir())
