from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest

from edge_runtime.updates import journal
from edge_runtime.updates.lock import locked
from fissura.errors import DeferredError, EngineError, RejectedError, RepositoryError, UpdateError
from fissura.release import Channel, release_target
from tests.edge_runtime.updates.device import Device, Kill, raising
from tests.edge_runtime.updates.signed_repository import MODEL, SignedRepository, plain_bundle
from tests.edge_runtime.updates.web_server import Answer, WebServer

MakeDevice = Callable[..., Device]
STEPS = ["check", "download", "verify", "build", "selftest", "shadow", "canary", "committed"]


def test_a_release_is_installed(device: Device) -> None:
    assert device.look() == "committed"
    assert device.check_active() == 7
    assert device.events.phases == STEPS
    assert device.events.last is not None and device.events.last.active == 7
    assert device.events.figures[STEPS.index("selftest")] == {"p99_ms": 1.0}
    assert device.events.figures[STEPS.index("verify")]["bytes"] > 20_000
    assert device.boot() == device.layout.release_bundle(7)


def test_the_next_one_takes_its_place_and_the_one_before_is_kept(device: Device, repository: SignedRepository) -> None:
    device.look()
    repository.give(8)
    assert device.look() == "committed"
    assert (device.check_active(), device.layout.number("previous")) == (8, 7)
    repository.publish(plain_bundle(repository.folder.parent / "bundle-9", 9), 9)
    repository.give(9)
    device.look()
    assert sorted(path.name for path in device.layout.releases.iterdir()) == ["8", "9"]  # 7 is collected
    assert not list(device.layout.partial.iterdir())


def test_a_look_without_news_says_and_fetches_nothing(device: Device, server: WebServer) -> None:
    device.look()
    told, asked, state = len(device.events.told), len(server.requests), device.layout.state.read_bytes()
    assert device.look() == "committed"
    assert len(device.events.told) == told
    assert server.requests[asked:] == ["/metadata/2.root.json", "/metadata/timestamp.json"]
    assert device.layout.state.read_bytes() == state


def test_files_that_two_releases_share_are_fetched_once(
    device: Device, repository: SignedRepository, server: WebServer
) -> None:
    device.look()
    repository.give(8)
    device.look()
    assert sum(path.endswith("golden.npz") for path in server.requests) == 1


def test_only_the_wave_gets_the_release(
    make_device: MakeDevice, repository: SignedRepository, server: WebServer
) -> None:
    repository.give(8, percent=30, fallback=7)
    devices = [make_device(f"device-{number}", serial=f"truck-{number}") for number in range(5)]
    for device in devices:
        device.look()
    first = {device.config.serial for device in devices if device.active == 8}
    assert {device.active for device in devices} == {7, 8}
    repository.give(8, percent=60, fallback=7)
    for device in devices:
        device.look()
    assert first < {device.config.serial for device in devices if device.active == 8}


def test_a_device_that_is_ahead_of_its_wave_keeps_what_it_has(device: Device, repository: SignedRepository) -> None:
    repository.give(8)
    device.look()
    repository.give(8, percent=0, fallback=7)
    assert device.look() == "committed"
    assert device.check_active() == 8
    assert device.events.ends == [("committed", 8)]


def test_a_paused_channel_begins_nothing_but_ends_what_is_begun(
    make_device: MakeDevice, repository: SignedRepository
) -> None:
    begun, new = make_device("begun"), make_device("new")
    begun.conditions.act = raising(DeferredError("heat: 99 degrees"))
    begun.look()
    repository.give(7, paused=True)
    begun.conditions.act = lambda: None
    assert (begun.look(), new.look()) == ("committed", "idle")
    assert (begun.check_active(), new.check_active()) == (7, None)


@pytest.mark.parametrize(
    ("document", "settings", "word"),
    [
        ({"hardware": ("jetson-xavier-*", "x86_64")}, {}, "hardware"),
        ({"tensorrt": {"oldest": "10.3", "newest": "10"}}, {"tensorrt": "8.6.1"}, "tensorrt"),
        ({"tensorrt": {"oldest": "8"}}, {}, "tensorrt"),
        ({"oldest_fissura": "99.0.0"}, {}, "fissura"),
        ({}, {"min_release": 10}, "min_release"),
        ({}, {"model": "potholes"}, "model"),
        ({}, {"download": {"largest_bytes": 10_000}}, "size"),
    ],
)
def test_what_is_not_for_this_device_is_refused_before_it_is_fetched(
    make_device: MakeDevice,
    repository: SignedRepository,
    server: WebServer,
    document: dict[str, object],
    settings: dict[str, object],
    word: str,
) -> None:
    repository.publish(plain_bundle(repository.folder.parent / "bundle-9", 9), 9, **document)
    repository.give(9)
    device = make_device("picky", **settings)
    assert device.look() == "rejected"
    assert server.targets_asked() == []
    assert device.check_active() is None
    device.look()  # said once, not with every look
    assert device.events.ends == [("rejected", 9)]
    assert device.events.told[-1][1].reason.startswith(f"{word}:")


def test_a_channel_that_changes_to_another_model_is_not_followed(device: Device, repository: SignedRepository) -> None:
    device.look()
    other = Channel(channel="stable", model="potholes", release=8)
    repository.add("channel/stable.json", other.to_json())
    repository.sign()
    for _ in range(2):
        assert device.look() == "rejected"
    assert device.check_active() == 7
    assert device.events.ends == [("committed", 7), ("rejected", 8)]


def test_a_device_that_has_become_fit_takes_what_it_refused(
    make_device: MakeDevice, repository: SignedRepository
) -> None:
    repository.publish(plain_bundle(repository.folder.parent / "bundle-9", 9), 9, hardware=("jetson-orin-nx",))
    repository.give(9)
    assert make_device().look() == "rejected"
    assert make_device(hardware="jetson-orin-nx").look() == "committed"


def test_a_downgrade_is_refused(device: Device, repository: SignedRepository) -> None:
    repository.give(8)
    device.look()
    repository.give(7)
    assert device.look() == "rejected"
    assert device.check_active() == 8
    assert device.events.last.reason.startswith("downgrade:")


def test_a_wiped_device_does_not_go_below_what_its_application_allows(
    make_device: MakeDevice, repository: SignedRepository
) -> None:
    make_device("device").look()
    wiped = make_device("wiped", min_release=8)
    assert wiped.look() == "rejected"
    assert wiped.check_active() is None
    repository.give(8)
    assert wiped.look() == "committed"


def test_a_newer_application_does_not_open_what_it_forbids(
    make_device: MakeDevice, repository: SignedRepository
) -> None:
    make_device().look()
    device = make_device(min_release=8)
    assert device.boot() == device.factory


def test_a_revoked_release_is_left_for_the_one_before(device: Device, repository: SignedRepository) -> None:
    device.look()
    repository.give(8)
    device.look()
    repository.give(7, revoked=(8,))
    assert device.look() == "rolled_back"
    assert device.check_active() == 7
    assert device.events.last.reason.startswith("revoked:")
    device.look()
    assert device.events.ends == [("committed", 7), ("committed", 8), ("rolled_back", 8)]


def test_a_revoked_release_that_the_stream_does_not_leave_is_left_with_the_next_look(
    device: Device, repository: SignedRepository
) -> None:
    for number in (7, 8):
        repository.give(number)
        device.look()
    repository.give(7, revoked=(8,))
    device.stream.on_switch = raising(EngineError("no memory"))
    with pytest.raises(EngineError):
        device.look()
    assert device.check_active() == 8
    device.stream.on_switch = lambda: None
    assert device.look() == "rolled_back"
    assert device.check_active() == 7


def test_a_revoked_release_without_one_before_is_left_for_the_devices_own_bundle_and_then_for_the_channels(
    device: Device, repository: SignedRepository
) -> None:
    repository.give(8)
    device.look()
    repository.give(7, revoked=(8,))
    assert device.look() == "committed"  # older than 8, which is allowed because 8 is revoked
    assert device.check_active() == 7
    assert device.events.ends == [("committed", 8), ("rolled_back", 8), ("committed", 7)]


def test_a_revoked_release_whose_one_before_is_revoked_too_waits_for_the_channels(
    device: Device, repository: SignedRepository
) -> None:
    for number in (7, 8):
        repository.give(number)
        device.look()
    repository.publish(plain_bundle(repository.folder.parent / "bundle-6", 6), 6)
    repository.give(6, revoked=(7, 8))
    device.conditions.act = raising(DeferredError("flight: in the air"))
    assert device.look() == "deferred"
    assert device.check_active() == 8  # it flies on with what it has
    device.conditions.act = lambda: None
    assert device.look() == "committed"
    assert device.check_active() == 6


@pytest.mark.parametrize("step", ["trial", "on_shadow"])
def test_a_release_that_fails_a_test_is_refused_for_good(
    device: Device, repository: SignedRepository, server: WebServer, step: str
) -> None:
    error = RejectedError("golden: IoU 0.2")
    if step == "trial":
        device.trial.act = raising(error)
    else:
        device.stream.on_shadow = raising(error)
    assert device.look() == "rejected"
    assert device.check_active() is None
    assert device.events.ends == [("rejected", 7)]
    assert device.events.last.reason == "golden: IoU 0.2"
    assert device.events.last.quarantined == (7,)
    tried, asked = len(device.trial.bundles), len(server.targets_asked())
    device.boot()
    device.look()
    assert (len(device.trial.bundles), len(server.targets_asked())) == (tried, asked)
    repository.give(8)
    device.trial.act = lambda: None
    assert device.look() == "committed"
    repository.give(7)
    assert device.look() == "rejected"


def test_an_engine_that_does_not_take_the_model_refuses_it(device: Device) -> None:
    device.trial.act = raising(EngineError("no such operator"))
    assert device.look() == "rejected"
    assert device.events.last.reason == "error: no such operator"


@pytest.mark.parametrize("step", ["on_canary", "on_switch"])
@pytest.mark.parametrize("error", [RejectedError("latency: 90 ms"), ValueError("a bug")])
def test_a_release_that_does_not_do_at_work_goes_back(
    device: Device, repository: SignedRepository, step: str, error: Exception
) -> None:
    device.look()
    repository.give(8)
    times = 0

    def fail() -> None:
        nonlocal times
        times += 1
        if times == 1:
            raise error

    setattr(device.stream, step, fail)
    assert device.look() == "rolled_back"
    assert device.check_active() == 7
    assert device.events.ends == [("committed", 7), ("rolled_back", 8)]
    assert device.events.last.quarantined == (8,)
    assert device.look() == "rolled_back"  # not again
    assert len(device.trial.bundles) == 2
    assert device.boot() == device.layout.release_bundle(7)


@pytest.mark.parametrize(
    ("step", "phase"), [("download", "check"), ("build", "verify"), ("canary", "shadow")], ids=lambda value: value
)
def test_conditions_defer_each_step_and_what_is_done_stays_done(device: Device, step: str, phase: str) -> None:
    before = {"download": 0, "build": 1, "canary": 2}[step]
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == before + 1:
            raise DeferredError("battery: 5 % are left")

    device.conditions.act = check
    assert device.look() == "deferred"
    assert device.check_active() is None
    assert device.events.phases[-2:] == [phase, "deferred"]
    assert device.look() == "committed"
    steps = [phase for phase in device.events.phases if phase != "deferred"]
    assert steps == STEPS  # none of them twice
    assert len(device.trial.bundles) == 1


def test_a_deferral_is_told_once_a_reason(device: Device) -> None:
    device.conditions.act = raising(DeferredError("heat: 90 degrees"))
    device.look()
    device.conditions.act = raising(DeferredError("heat: 91 degrees"))
    device.look()
    device.conditions.act = raising(DeferredError("flight: in the air"))
    device.look()
    assert device.events.phases == ["check", "deferred", "deferred"]


def test_what_the_channel_takes_back_meanwhile_is_dropped(device: Device, repository: SignedRepository) -> None:
    device.look()
    repository.give(8)
    device.conditions.act = raising(DeferredError("heat: 90 degrees"))
    assert device.look() == "deferred"
    repository.give(7, revoked=(8,))
    assert device.look() == "idle"
    assert device.check_active() == 7


@pytest.mark.parametrize("step", ["trial", "on_shadow"])
def test_a_run_that_ends_goes_on_where_it_was(device: Device, new_process: Callable[[], None], step: str) -> None:
    if step == "trial":
        device.trial.act = device.stopping.set
    else:
        device.stream.on_shadow = device.stopping.set
    for _ in range(4):  # ending in good order is no crash, however often
        device.look()
        device.stopping.clear()
        new_process()
        device.boot()
        if step == "on_shadow":
            device.stream.on_shadow = device.stopping.set
    device.trial.act = device.stream.on_shadow = lambda: None
    assert device.look() == "committed"
    assert device.events.ends == [("committed", 7)]
    if step == "on_shadow":
        assert len(device.trial.bundles) == 1


def test_a_run_that_ends_in_canary_goes_back_and_tries_again(device: Device, new_process: Callable[[], None]) -> None:
    device.stream.on_canary = device.stopping.set
    assert device.look() == "deferred"
    assert device.active is None
    device.stopping.clear()
    new_process()
    assert device.boot() == device.factory
    assert device.look() == "committed"
    assert len(device.trial.bundles) == 1


def test_a_process_that_dies_in_canary_has_condemned_the_release(
    device: Device, repository: SignedRepository, new_process: Callable[[], None]
) -> None:
    device.look()
    repository.give(8)
    device.stream.on_canary = raising(Kill())
    with pytest.raises(Kill):
        device.look()
    assert device.active == 8
    new_process()
    assert device.boot() == device.layout.release_bundle(7)  # before any model is loaded
    assert device.look() == "rolled_back"
    assert device.check_active() == 7
    assert device.events.ends == [("committed", 7), ("rolled_back", 8)]
    assert device.events.last.reason.startswith("crash:")


def test_a_power_cut_in_canary_goes_back_but_condemns_nothing(
    device: Device, new_process: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for boot in range(3):
        device.stream.on_canary = raising(Kill())
        with pytest.raises(Kill):
            device.look()
        new_process()
        monkeypatch.setattr(journal, "boot_id", lambda boot=boot: f"boot {boot}")
        assert device.boot() == device.factory
    assert device.look() == "committed"
    assert device.events.ends == [("committed", 7)]


def test_a_release_that_stops_the_whole_device_again_and_again_is_condemned(
    device: Device, new_process: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    for boot in range(5):
        device.stream.on_canary = raising(Kill())
        with pytest.raises(Kill):
            device.look()
        new_process()
        monkeypatch.setattr(journal, "boot_id", lambda boot=boot: f"boot {boot}")
        device.boot()
    assert device.look() == "rolled_back"
    assert device.events.ends == [("rolled_back", 7)]


def test_a_process_that_dies_beside_a_new_model_three_times_has_condemned_it(
    device: Device, new_process: Callable[[], None]
) -> None:
    for _ in range(3):
        device.stream.on_shadow = raising(Kill())
        with pytest.raises(Kill):
            device.look()
        new_process()
        device.boot()
    assert device.look() == "rejected"
    assert device.events.ends == [("rejected", 7)]
    assert device.events.last.reason.startswith("crash:")


def test_crashes_of_others_are_forgotten_when_the_shadow_goes_well(
    device: Device, new_process: Callable[[], None]
) -> None:
    for _ in range(5):
        device.stream.on_shadow = raising(Kill())
        with pytest.raises(Kill):
            device.look()
        new_process()
        device.boot()
        device.stream.on_shadow = raising(DeferredError("shadow: 100 frames so far"))
        assert device.look() == "deferred"
    device.stream.on_shadow = lambda: None
    assert device.look() == "committed"


def test_another_engine_tests_for_itself(make_device: MakeDevice) -> None:
    device = make_device()
    device.tested_with = "onnxruntime"
    device.stream.on_shadow = raising(DeferredError("shadow: 1 frame so far"))
    device.look()
    device.boot()
    device.stream.on_shadow = raising(DeferredError("shadow: 2 frames so far"))
    device.look()
    assert len(device.trial.bundles) == 1
    device.tested_with = "tensorrt"
    device.boot()
    assert device.look() == "committed"
    assert len(device.trial.bundles) == 2


def test_without_the_repository_what_was_fetched_goes_on(device: Device, server: WebServer) -> None:
    device.stream.on_shadow = device.stopping.set
    device.look()
    device.stopping.clear()
    device.stream.on_shadow = lambda: None
    server.fault = lambda path, answer: Answer(503, b"")
    assert device.look() == "committed"
    assert device.check_active() == 7


def test_without_the_repository_nothing_begins(device: Device, server: WebServer) -> None:
    server.fault = lambda path, answer: Answer(503, b"")
    with pytest.raises(RepositoryError, match="unreachable"):
        device.look()
    assert device.check_active() is None
    assert device.events.told == []


def test_a_server_that_never_delivers_is_asked_more_rarely(make_device: MakeDevice, server: WebServer) -> None:
    device = make_device("patient", attempts=2, retry_s=3600, download={"tries": 1})
    server.fault = lambda path, answer: Answer(500, b"") if path.endswith(".onnx") else answer
    assert [device.look(), device.look()] == ["deferred", "deferred"]
    asked = len(server.targets_asked())
    assert device.look() == "deferred"
    assert len(server.targets_asked()) == asked  # left alone
    server.fault = None
    device.clock.ahead = timedelta(hours=2)
    assert device.look() == "committed"


def test_tampered_bytes_are_never_used(device: Device, repository: SignedRepository, server: WebServer) -> None:
    device.look()
    path = repository.target_path(release_target(MODEL, 8, "segmentation.onnx"))
    data = bytearray(path.read_bytes())
    data[1000] ^= 1
    path.write_bytes(data)
    repository.give(8)
    assert device.look() == "quarantined"
    assert device.check_active() == 7
    assert len(device.trial.bundles) == 1  # the new one was not even tried
    assert device.events.phases[-3:] == ["check", "download", "quarantined"]  # nor laid out
    assert device.events.last.reason.startswith("tampered:")
    assert not any(path.name == "8" for path in device.layout.releases.iterdir())
    path.write_bytes(repository.target_path(release_target(MODEL, 7, "segmentation.onnx")).read_bytes())
    assert device.look() == "quarantined"


def test_a_file_that_was_damaged_on_the_way_once_is_fetched_again(
    device: Device, repository: SignedRepository, server: WebServer
) -> None:
    digest = repository.targets[release_target(MODEL, 7, "segmentation.onnx")].hashes["sha256"]
    device.layout.make()
    (device.layout.partial / digest).write_bytes(bytes(5000))  # what a power cut left of an earlier try
    assert device.look() == "committed"
    assert device.check_active() == 7


def test_a_damaged_active_release_is_left_and_fetched_again(
    device: Device, repository: SignedRepository, server: WebServer
) -> None:
    device.look()
    repository.give(8)
    device.look()
    with (device.layout.release_bundle(8) / "segmentation.onnx").open("r+b") as file:
        file.write(b"rotten")
    assert device.boot() == device.layout.release_bundle(7)
    assert device.look() == "committed"
    assert device.check_active() == 8
    assert device.events.ends == [("committed", 7), ("committed", 8), ("rolled_back", 8), ("committed", 8)]


def test_with_all_releases_damaged_the_devices_own_bundle_runs(device: Device, repository: SignedRepository) -> None:
    device.look()
    repository.give(8)
    device.look()
    for number in (7, 8):
        (device.layout.release_bundle(number) / "golden.npz").unlink()
    assert device.boot() == device.factory
    assert device.active is None


def test_a_clock_that_goes_back_stops_installations_only(device: Device, repository: SignedRepository) -> None:
    device.look()
    long_ago = datetime.now(timezone.utc) - timedelta(days=30)  # else the release itself shows that the clock is wrong
    repository.publish(plain_bundle(repository.folder.parent / "bundle-9", 9), 9, created_utc=long_ago)
    repository.give(9)
    device.clock.ahead = timedelta(days=-20)
    assert device.look() == "deferred"
    assert device.check_active() == 7
    assert device.events.last.reason.startswith("clock:")
    device.clock.ahead = timedelta()
    assert device.look() == "committed"


def test_a_new_device_with_a_clock_before_the_release_waits(device: Device) -> None:
    device.clock.ahead = timedelta(days=-400)
    assert device.look() == "deferred"
    assert device.check_active() is None


def test_expired_metadata_are_not_believed(device: Device, repository: SignedRepository) -> None:
    device.look()
    repository.days = -1
    repository.give(8)
    with pytest.raises(RepositoryError, match="expired"):
        device.look()
    assert device.check_active() == 7


def test_older_metadata_are_not_believed(device: Device, repository: SignedRepository) -> None:
    repository.publish(plain_bundle(repository.folder.parent / "bundle-9", 9), 9)
    repository.give(9)
    old = repository.save(repository.folder.parent / "old")
    repository.give(8, revoked=(9,))
    device.look()
    repository.restore(old)
    with pytest.raises(RepositoryError, match="signed"):
        device.look()
    assert device.check_active() == 8


def test_metadata_of_other_keys_are_not_believed(device: Device, repository: SignedRepository) -> None:
    thief = SignedRepository(repository.folder.parent / "thief")
    repository.signers["targets"] = thief.signers["targets"]
    repository.give(8)
    with pytest.raises(RepositoryError, match="signed"):
        device.look()
    assert device.check_active() is None


def test_a_channel_of_endless_length_is_not_fetched(
    device: Device, repository: SignedRepository, server: WebServer
) -> None:
    repository.add("channel/stable.json", b" " * (2 << 20))
    repository.sign()
    with pytest.raises(RepositoryError, match="size"):
        device.look()
    assert not any("stable.json" in path for path in server.requests)


def test_endless_metadata_are_cut(device: Device, server: WebServer) -> None:
    server.fault = lambda path, answer: Answer(200, b" " * (8 << 20)) if path.endswith("timestamp.json") else answer
    with pytest.raises(RepositoryError, match="unreachable"):
        device.look()
    assert server.sent_bytes < 8 << 20


def test_one_process_a_state_folder(device: Device) -> None:
    with locked(device.layout), pytest.raises(UpdateError, match="in use"):
        device.look()
    assert device.look() == "committed"


def test_reports_that_a_kill_held_back_are_told_by_the_next_process(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = device.events.event
    monkeypatch.setattr(device.events, "event", lambda *_: raising(Kill())())
    with pytest.raises(Kill):
        device.look()
    monkeypatch.setattr(device.events, "event", event)
    device.boot()
    assert device.look() == "committed"
    assert device.events.phases == STEPS


def test_reports_wait_until_somebody_can_take_them(device: Device, repository: SignedRepository) -> None:
    device.machine.report = None
    assert device.look() == "committed"
    assert device.events.told == []
    device.machine.report = device.events
    device.look()
    assert device.events.phases == STEPS
    device.boot()
    device.machine.report, device.events.last = None, None
    device.look()
    device.machine.report = device.events
    device.look()
    assert device.events.last is not None and device.events.last.active == 7  # a broker may have lost it


def test_reports_that_nobody_ever_takes_do_not_fill_the_disk(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MOST_UNREPORTED", 3)
    device.machine.report = None
    device.look()
    device.machine.report = device.events
    device.look()
    assert device.events.phases == STEPS[-3:]


def test_stopping_ends_a_download_that_goes_on_later(device: Device, server: WebServer) -> None:
    def cut(path: str, answer: Answer) -> Answer:
        if path.endswith(".onnx"):
            threading.Timer(0.2, device.stopping.set).start()
            answer.chunk, answer.pause_s = 2000, 0.1
        return answer

    server.fault = cut
    assert device.look() == "download"
    assert device.check_active() is None
    device.stopping.clear()
    server.fault = None
    assert device.look() == "committed"
