from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path

from edge_runtime.engines.tensorrt.plan_cache import PlanCache, PlanKey
from edge_runtime.updates.collect import collect
from fissura.errors import DeferredError, RejectedError
from fissura.files import sha256
from fissura.release import release_target
from tests.edge_runtime.updates.device import Device
from tests.edge_runtime.updates.signed_repository import MODEL, SignedRepository, plain_bundle


def key_of(graph: str) -> PlanKey:
    return PlanKey(
        onnx_sha256=graph,
        tensorrt="10.3.0",
        gpu="Orin",
        compute_capability="8.7",
        precision="fp16",
        settings="",
        profile="",
    )


def build(cache: PlanCache, key: PlanKey, plan: Path) -> None:
    plan.write_text(key.onnx_sha256)
    cache.keep(key, plan, {}, 1.0)


def test_collecting_keeps_all_that_may_still_run(device: Device, repository: SignedRepository) -> None:
    for number in (7, 8):
        repository.give(number)
        device.look()
    release = repository.publish(device.factory, 9)
    layout, coming = device.layout, {file.sha256 for file in release.files}
    for digest in coming:
        (layout.partial / digest).write_bytes(b"half")
    (layout.partial / ("0" * 64)).write_bytes(b"of a release that was withdrawn")
    (layout.store / ("1" * 64)).write_bytes(b"of a release that is gone")
    (layout.releases / "6").mkdir()
    (layout.releases / ".new-abc").mkdir()
    collect(layout, device.factory, coming=release)
    assert {path.name for path in layout.partial.iterdir()} == coming
    assert {path.name for path in layout.releases.iterdir()} == {"7", "8"}
    needed = {file.hashes["sha256"] for name, file in repository.targets.items() if name.startswith(f"{MODEL}/7/")}
    needed -= {repository.targets[release_target(MODEL, 7)].hashes["sha256"]}
    stored = {path.name for path in layout.store.iterdir()}
    assert needed < stored
    assert "1" * 64 not in stored
    collect(layout, device.factory)
    assert not list(layout.partial.iterdir())
    assert device.boot() == layout.release_bundle(8)


def test_engines_go_with_the_last_release_of_their_graph(device: Device, repository: SignedRepository) -> None:
    repository.publish(plain_bundle(repository.folder.parent / "bundle-9", 9), 9)
    for number in (7, 8, 9):
        repository.give(number)
        graph = repository.targets[release_target(MODEL, number, "segmentation.onnx")].hashes["sha256"]
        key = key_of(graph)
        plan = device.layout.root / "built"
        device.trial.act = partial(build, PlanCache(device.layout.engines), key, plan)
        device.look()
    assert len(list(device.layout.engines.glob("*.plan"))) == len(list(device.layout.engines.glob("*.json"))) == 2
    graphs = {path.read_text() for path in device.layout.engines.glob("*.plan")}
    names = (release_target(MODEL, number, "segmentation.onnx") for number in (8, 9))
    assert graphs == {repository.targets[name].hashes["sha256"] for name in names}


def test_files_of_a_deferred_release_stay(device: Device) -> None:
    def check() -> None:
        if device.layout.store.exists() and any(device.layout.store.iterdir()):
            raise DeferredError("heat: 90 degrees")

    device.conditions.act = check
    assert device.look() == "deferred"
    assert device.look() == "deferred"
    assert len(list(device.layout.store.iterdir())) == 4
    assert device.layout.release(7).exists()


def graphs_built(device: Device) -> set[str]:
    """Of which graphs there are engines."""
    return {path.read_text() for path in device.layout.engines.glob("*.plan")}


def test_engines_of_refused_releases_go_and_those_of_the_devices_own_bundle_stay(
    device: Device, repository: SignedRepository
) -> None:
    own = sha256(device.factory / "segmentation.onnx")
    cache, plan = PlanCache(device.layout.engines), device.layout.root / "built"

    def refuse() -> None:
        graph = sha256(device.trial.bundles[-1] / "segmentation.onnx")
        for built_from in (own, graph):
            build(cache, key_of(built_from), plan)
        raise RejectedError("golden: worse")

    device.trial.act = refuse
    for number in (7, 8):
        repository.give(number)
        assert device.look() == "rejected"
        assert graphs_built(device) == {own}  # the device's own bundle runs
    device.trial.act = lambda: build(cache, key_of(hashlib.sha256(b"gone").hexdigest()), plan)
    repository.publish(plain_bundle(repository.folder.parent / "bundle-9", 9), 9)
    repository.give(9)
    assert device.look() == "committed"
    assert graphs_built(device) == {own}  # the one to go back to; what it was built of is not even in the store


def test_engines_stay_where_the_devices_own_bundle_cannot_be_read(device: Device) -> None:
    device.layout.make()
    build(PlanCache(device.layout.engines), key_of("0" * 64), device.layout.root / "built")
    (device.factory / "manifest.json").write_text("damaged")
    collect(device.layout, device.factory)
    collect(device.layout, None)
    assert graphs_built(device) == {"0" * 64}


def test_what_does_not_belong_there_holds_nothing_up(device: Device, repository: SignedRepository) -> None:
    device.layout.make()
    (device.layout.releases / "x").write_text("")
    (device.layout.releases / "7").symlink_to(device.factory)
    (device.layout.partial / "folder").mkdir()
    (device.layout.store / "folder" / "in it").mkdir(parents=True)
    (device.layout.metadata / "tmp-folder").mkdir()
    assert device.look() == "committed"
    (device.layout.releases / "6").write_text("")
    device.look()
    assert [path.name for path in device.layout.releases.iterdir()] == ["7"]
    assert not list(device.layout.partial.iterdir())
    assert len(list(device.layout.store.iterdir())) == 4
