"""`fissura run --updates` opens what is right, whatever lies in the state folder."""

from __future__ import annotations

import errno
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge_runtime.run.config import RunConfig
from edge_runtime.run.updating import Updating
from edge_runtime.updates.journal import Journal
from edge_runtime.updates.layout import Layout
from edge_runtime.updates.links import point
from edge_runtime.updates.outbox import Outbox
from edge_runtime.updates.state import State, StateFile
from fissura.bundle import load_bundle, read_manifest
from fissura.config import parse_config
from fissura.release import RELEASE_NAME
from fissura.update_messages import UpdateEvent
from tests.edge_runtime.agent.fleet import make_bundle
from tests.edge_runtime.proven import list_files
from tests.edge_runtime.updates.signed_repository import SignedRepository
from tests.edge_runtime.updates.web_server import serving
from tests.mosquitto import start_run, wait_until


class Device:
    """A state folder and what `fissura run` is told about it."""

    def __init__(self, folder: Path, url: str, repository: SignedRepository) -> None:
        self.folder, self.layout = folder, Layout(folder / "state")
        self.layout.make()
        self.factory = make_bundle(folder / "factory", 0)
        (folder / "root.json").write_bytes(repository.root)
        self.options: dict[str, Any] = {
            "url": url,
            "root": str(folder / "root.json"),
            "state": str(self.layout.root),
            "poll_s": 1,
            "download": {"margin_bytes": 0},
            "trial": {"frames": 3},
            "shadow": {"frames": 6, "rich_frames": 0, "free_frames": 0, "time_share": 1.0},
            "canary": {"frames": 20, "time_s": 0, "slower": None},
        }

    def install(self, repository: SignedRepository, number: int, bundle: Path) -> Path:
        """As if it had come, been tried and done well; returns the bundle."""
        release = repository.publish(bundle, number)
        shutil.copytree(bundle, self.layout.release_bundle(number))
        (self.layout.release(number) / RELEASE_NAME).write_bytes(release.to_json())
        point(self.layout, "previous", self.layout.number("active"))
        point(self.layout, "active", number)
        StateFile(self.layout.state).save(State(committed=number))
        return self.layout.release_bundle(number)

    def start(self, source: str) -> subprocess.Popen[str]:
        updates = self.folder / "updates.yaml"
        updates.write_text(yaml.safe_dump(self.options))
        words = ["--bundle", self.factory, "--source", source, "--sink", f"jsonl:{self.folder / 'found.jsonl'}"]
        return start_run(*words, "--serial", "truck-07", "--threads", "1", "--json", "--updates", updates)

    def updating(self, **settings: object) -> tuple[Updating, RunConfig]:
        """Without a run around it."""
        path = self.folder / "updates.yaml"
        path.write_text(yaml.safe_dump(self.options))
        told = {"bundle": self.factory, "source": "synth:", "sink": "jsonl:x", **settings}
        config = parse_config(RunConfig, told, origin="test")
        return Updating(path, config, "truck-07"), config

    def run(self, frames: int = 15) -> str:
        """To the end of so many frames; returns the log."""
        process = self.start(f"synth:?count={frames}")
        _, log = process.communicate(timeout=120)
        assert process.returncode == 0, log
        return log

    def bundle_id(self) -> str:
        """Of the model that found the last crack."""
        last = (self.folder / "found.jsonl").read_text().splitlines()[-1]
        return str(json.loads(last)["model"]["bundle_id"])


@pytest.fixture
def repository(tmp_path: Path) -> SignedRepository:
    return SignedRepository(tmp_path / "repository")


@pytest.fixture
def device(tmp_path: Path, repository: SignedRepository) -> Iterator[Device]:
    (tmp_path / "device").mkdir()
    with serving(repository.folder) as server:
        yield Device(tmp_path / "device", server.url, repository)


@pytest.fixture
def bundle(tmp_path: Path) -> Callable[[int], Path]:
    return lambda number: make_bundle(tmp_path / f"bundle-{number}", number)


def test_the_active_release_runs_and_a_damaged_one_does_not(
    device: Device, repository: SignedRepository, bundle: Callable[[int], Path]
) -> None:
    device.run()
    assert device.bundle_id() == load_bundle(device.factory).id
    seven = device.install(repository, 7, bundle(7))
    eight = device.install(repository, 8, bundle(8))
    device.run()
    assert device.bundle_id() == load_bundle(eight).id
    graph = eight / "segmentation.onnx"
    data = bytearray(graph.read_bytes())
    data[len(data) // 2] ^= 1
    graph.write_bytes(data)
    log = device.run()
    assert device.bundle_id() == load_bundle(seven).id and re.search("release 8 .*damaged", log)
    assert device.layout.number("active") == 7


def test_a_release_that_no_engine_opens_is_taken_back(
    device: Device, repository: SignedRepository, bundle: Callable[[int], Path]
) -> None:
    """After an update of the engine's library, for one: the files are as they were signed."""
    broken = bundle(7)
    (broken / "segmentation.onnx").write_bytes(b"no graph")
    list_files(broken, read_manifest(broken))
    device.install(repository, 7, broken)
    device.run()
    assert device.bundle_id() == load_bundle(device.factory).id
    state = Journal(device.layout).state
    assert device.layout.number("active") is None and state.quarantined[7].startswith("start: ")


def test_a_full_disk_does_not_bring_a_damaged_release_back(
    device: Device, repository: SignedRepository, bundle: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link cannot be changed, and yet it is not followed: not at the start, and not by a reload."""
    seven = device.install(repository, 7, bundle(7))
    eight = device.install(repository, 8, bundle(8))
    (eight / "segmentation.onnx").write_bytes(b"damaged")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr("edge_runtime.updates.verified.exchange_back", full)
    updating, config = device.updating()
    opened: list[Path] = []

    def opener(adapted: RunConfig) -> Any:
        opened.append(adapted.bundle)
        return None

    adapted, _ = updating.active.open(config, opener)
    assert opened == [seven] == [adapted.bundle] and device.layout.number("active") == 8
    assert updating.active.adapting(lambda: config)().bundle == seven
    point(device.layout, "active", 7)  # as an update does
    assert updating.active.adapting(lambda: config)().bundle == seven
    updating.close()


def test_where_no_bundle_opens_none_is_condemned(
    device: Device, repository: SignedRepository, bundle: Callable[[int], Path]
) -> None:
    """A graphics driver that is not there yet looks like that."""

    def broken(folder: Path) -> Path:
        (folder / "segmentation.onnx").write_bytes(b"no graph")
        list_files(folder, read_manifest(folder))
        return folder

    device.install(repository, 7, broken(bundle(7)))
    broken(device.factory)
    process = device.start("synth:?count=3")
    _, log = process.communicate(timeout=60)
    assert process.returncode == 2 and "cannot be loaded" in log
    assert device.layout.number("active") == 7 and not Journal(device.layout).state.quarantined


def test_a_second_run_works_with_what_is_active_and_changes_nothing(
    device: Device, repository: SignedRepository, bundle: Callable[[int], Path]
) -> None:
    """One that hangs must not keep the next from its cameras."""
    seven = device.install(repository, 7, bundle(7))
    first, _ = device.updating()
    before = device.layout.state.read_bytes()
    log = device.run()
    assert device.bundle_id() == load_bundle(seven).id and "is in use" in log
    (seven / "segmentation.onnx").write_bytes(b"damaged")
    device.run()
    assert device.bundle_id() == load_bundle(device.factory).id
    assert device.layout.number("active") == 7 and device.layout.state.read_bytes() == before
    first.close()
    device.run()
    assert device.layout.number("active") is None


@pytest.mark.slow
def test_a_run_that_ends_in_shadow_goes_on_with_the_next(
    device: Device, repository: SignedRepository, bundle: Callable[[int], Path]
) -> None:
    repository.publish(bundle(7), 7)
    repository.give(7)
    device.options["shadow"]["frames"] = 100_000
    process = device.start("synth:?fps=20")
    file = StateFile(device.layout.state)
    assert wait_until(lambda: (state := file.load()) is not None and state.phase == "shadow", 60)
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0 and "do not end" not in log and "Traceback" not in log, log
    state = file.load()
    assert state is not None and state.phase == "shadow" and state.done == "selftest"
    device.options["shadow"]["frames"] = 6
    process = device.start("synth:?fps=20")
    assert wait_until(lambda: (state := file.load()) is not None and state.phase == "committed", 120)
    process.send_signal(signal.SIGTERM)
    _, log = process.communicate(timeout=60)
    assert process.returncode == 0 and ": build" not in log, log  # it was tested already
    assert device.bundle_id() == load_bundle(device.layout.release_bundle(7)).id


@pytest.mark.slow
def test_reports_wait_for_an_outbox_that_does_not_open(
    device: Device, repository: SignedRepository, bundle: Callable[[int], Path]
) -> None:
    repository.publish(bundle(7), 7)
    repository.give(7)
    device.options["report"] = {"broker": "mqtt://127.0.0.1:1"}
    device.layout.outbox.mkdir()
    process = device.start("synth:?fps=20")
    file = StateFile(device.layout.state)
    assert wait_until(lambda: (state := file.load()) is not None and state.phase == "committed", 120)
    state = file.load()
    assert state is not None and len(state.unreported) >= 7
    device.layout.outbox.rmdir()
    assert wait_until(lambda: (state := file.load()) is not None and not state.unreported, 60)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    outbox = Outbox(device.layout.outbox)
    told = [UpdateEvent.model_validate_json(event.payload).phase for event in outbox.events()]
    outbox.close()
    assert told[0] == "check" and told[-1] == "committed" and len(told) >= 7


def test_a_run_says_that_it_is_healthy(device: Device) -> None:
    device.layout.boots.write_text("2\n")
    process = device.start("synth:?fps=20")
    assert wait_until(lambda: not device.layout.boots.exists(), 60)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)


def test_tensorrts_plans_are_kept_beside_the_models(device: Device, repository: SignedRepository) -> None:
    """So that the trial builds what the switch finds; see the tests of the plan cache for damaged and foreign ones."""
    updating, config = device.updating(engine="tensorrt")
    assert updating.active.adapt(config).engine_option == {"cache": device.layout.engines}
    own = config.model_copy(update={"engine_option": {"cache": "/plans"}, "bundle": Path("another")})
    assert updating.active.adapt(own).bundle == Path("another")  # a reload may name another, as long as none is active
    assert updating.active.adapt(own).engine_option == {"cache": "/plans"}
    updating.close()


def test_what_is_wrong_in_the_file_is_said(device: Device) -> None:
    device.options["polls"] = 3
    process = device.start("synth:?count=3")
    _, log = process.communicate(timeout=60)
    assert process.returncode == 2 and "unknown key 'polls'" in log and "did you mean 'poll_s'" in log


def test_a_run_without_updates_loads_nothing_of_them(device: Device) -> None:
    script = (
        "import sys; from fissura.cli import main; code = main(sys.argv[1:])\n"
        "print(code, sorted({name.split('.')[0] for name in sys.modules} & {'tuf', 'cryptography'}))"
    )
    words = ["run", "--bundle", device.factory, "--source", "synth:?count=3", "--sink", f"jsonl:{device.folder / 'x'}"]
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, words)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "0 []", done
