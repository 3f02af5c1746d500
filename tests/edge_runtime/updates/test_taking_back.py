from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from edge_runtime.engines.tensorrt.plan_cache import PlanCache, PlanKey
from edge_runtime.updates.collect import collect
from edge_runtime.updates.journal import Journal
from edge_runtime.updates.lock import locked
from edge_runtime.updates.taking_back import take_back
from fissura.errors import DeferredError, UpdateError
from fissura.release import release_target
from tests.edge_runtime.updates.device import Device
from tests.edge_runtime.updates.signed_repository import MODEL, SignedRepository, plain_bundle


def build(cache: PlanCache, key: PlanKey, plan: Path) -> None:
    plan.write_text(key.onnx_sha256)
    cache.keep(key, plan, {}, 1.0)


def test_a_supervisor_goes_back_step_by_step_and_the_operator_hears_of_it(
    device: Device, repository: SignedRepository
) -> None:
    for number in (7, 8):
        repository.give(number)
        device.look()
    assert take_back(device.layout, "crash: three starts without a frame") == 8
    assert device.boot() == device.layout.release_bundle(7)
    assert device.look() == "rolled_back"  # and does not install it again
    assert device.check_active() == 7
    assert device.events.ends[-1] == ("rolled_back", 8)
    assert device.events.last is not None
    assert (device.events.last.reason, device.events.last.quarantined) == ("crash: three starts without a frame", (8,))
    assert take_back(device.layout, "crash: three starts without a frame") == 7
    assert device.boot() == device.factory
    assert take_back(device.layout, "crash: it is not the model") is None


def test_it_keeps_out_while_another_is_at_work(device: Device) -> None:
    device.look()
    with locked(device.layout), pytest.raises(UpdateError, match="in use"):
        take_back(device.layout, "crash: ...")
    assert device.active == 7


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
    collect(layout, coming=release)
    assert {path.name for path in layout.partial.iterdir()} == coming
    assert {path.name for path in layout.releases.iterdir()} == {"7", "8"}
    needed = {file.hashes["sha256"] for name, file in repository.targets.items() if name.startswith(f"{MODEL}/7/")}
    needed -= {repository.targets[release_target(MODEL, 7)].hashes["sha256"]}
    stored = {path.name for path in layout.store.iterdir()}
    assert needed < stored
    assert "1" * 64 not in stored
    collect(layout)
    assert not list(layout.partial.iterdir())
    assert device.boot() == layout.release_bundle(8)


def test_engines_go_with_the_last_release_of_their_graph(device: Device, repository: SignedRepository) -> None:
    repository.publish(plain_bundle(repository.folder.parent / "bundle-9", 9), 9)
    for number in (7, 8, 9):
        repository.give(number)
        graph = repository.targets[release_target(MODEL, number, "segmentation.onnx")].hashes["sha256"]
        key = PlanKey(
            onnx_sha256=graph,
            tensorrt="10.3.0",
            gpu="Orin",
            compute_capability="8.7",
            precision="fp16",
            settings="",
            profile="",
        )
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


def test_the_state_of_another_time_is_read(device: Device) -> None:
    device.layout.make()
    device.layout.state.write_text('{"schema_version": "1.9", "phase": "idle", "novelty": 1, "committed": 8}')
    assert Journal(device.layout).state.committed == 8
    assert device.look() == "rejected"  # 7 is older
