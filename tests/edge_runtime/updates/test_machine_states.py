"""Whatever the operator, the link, the power and the models do, in whichever order: what runs is whole and allowed."""

from __future__ import annotations

import itertools
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from unittest import mock

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge_runtime.updates import journal
from edge_runtime.updates.journal import Journal
from edge_runtime.updates.taking_back import take_back
from fissura.bundle import load_bundle
from fissura.errors import DeferredError, RejectedError, RepositoryError
from fissura.release import release_target
from fissura.update_messages import TERMINAL
from tests.edge_runtime.updates.device import Device, Kill
from tests.edge_runtime.updates.signed_repository import MODEL, SignedRepository, plain_bundle
from tests.edge_runtime.updates.web_server import Answer, serving

OLDEST = 3  # `min_release`
FAULTS = (RejectedError("golden: worse"), DeferredError("heat: 90 degrees"), RepositoryError("unreachable: away"), None)


class DeviceLife(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="life-"))
        self.stack.callback(shutil.rmtree, self.folder)
        self.stack.enter_context(mock.patch("os.fsync"))
        self.stack.enter_context(mock.patch.object(journal, "boot_id", lambda: f"boot {self.boots}"))
        self.stack.enter_context(mock.patch.object(journal, "PROCESS", "process"))
        self.boots = 0
        self.fuse: int | None = None  # calls until the process is killed
        self.fault: BaseException | None = None
        self.highest = 0

    @initialize()
    def start(self) -> None:
        self.repository = SignedRepository(self.folder / "repository")
        self.newest, self.revoked = 0, set()
        for _ in range(OLDEST):
            self.publish(tampered=False)
        self.repository.give(OLDEST)
        self.server = self.stack.enter_context(serving(self.repository.folder))
        factory = plain_bundle(self.folder / "factory", 0)
        self.device = Device(
            self.folder / "device", self.server.url, self.repository.root, factory, min_release=OLDEST, attempts=2
        )
        event = self.device.events.event
        self.device.events.event = lambda *step: (self.call(), event(*step), self.call())[1]  # type: ignore[method-assign]
        self.wire()

    def teardown(self) -> None:
        self.stack.close()

    def wire(self) -> None:
        device = self.device
        device.trial.act = device.stream.on_shadow = device.stream.on_canary = self.step
        device.stream.on_switch = device.conditions.act = self.call

    def call(self) -> None:
        """Any call of a port: the process may end in it."""
        if self.fuse is not None:
            self.fuse -= 1
            if self.fuse < 0:
                self.fuse = None
                raise Kill

    def step(self) -> None:
        """A step that judges the model."""
        self.call()
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault

    @rule(tampered=st.booleans())
    def publish(self, tampered: bool) -> None:
        self.newest += 1
        number = self.newest
        self.repository.publish(plain_bundle(self.folder / f"bundle-{number}", number, size_bytes=2000), number)
        if tampered:
            path = self.repository.target_path(release_target(MODEL, number, "segmentation.onnx"))
            path.write_bytes(bytes(2000))

    @rule(back=st.integers(0, 3), percent=st.sampled_from([100, 100, 50, 0]), paused=st.booleans())
    def give(self, back: int, percent: int, paused: bool) -> None:
        allowed = [number for number in range(1, self.newest + 1) if number not in self.revoked]
        number = allowed[max(0, len(allowed) - 1 - back)]
        self.repository.give(
            number, percent=percent, fallback=allowed[0], paused=paused, revoked=tuple(sorted(self.revoked))
        )

    @precondition(lambda self: self.device.active is not None and len(self.revoked) + 2 < self.newest)
    @rule()
    def revoke(self) -> None:
        assert self.device.active is not None
        self.revoked.add(self.device.active)
        self.give(0, 100, False)

    @rule(calls=st.integers(0, 25))
    def will_be_killed(self, calls: int) -> None:
        self.fuse = calls

    @rule(fault=st.sampled_from(FAULTS))
    def will_fail(self, fault: BaseException | None) -> None:
        self.fault = fault

    @rule(away=st.booleans())
    def link(self, away: bool) -> None:
        self.server.fault = (lambda path, answer: Answer(503, b"")) if away else None

    @rule(same_boot=st.booleans())
    def look(self, same_boot: bool) -> None:
        try:
            self.device.look()
        except RepositoryError:
            assert self.server.fault is not None
        except Kill:
            self.restart(same_boot)
        self.fuse = None

    @rule(same_boot=st.booleans())
    def restart(self, same_boot: bool) -> None:
        self.boots += not same_boot
        self.fuse = None
        journal.PROCESS += "'"
        opened = self.device.boot()
        self.wire()
        number = self.device.active
        assert opened == (self.device.factory if number is None else self.device.layout.release_bundle(number))
        load_bundle(opened)
        assert number is None or number not in Journal(self.device.layout).state.quarantined

    @precondition(lambda self: self.device.active is not None)
    @rule()
    def damage(self) -> None:
        assert self.device.active is not None
        path = self.device.layout.release_bundle(self.device.active) / "segmentation.onnx"
        path.write_bytes(b"rotten")
        self.restart(same_boot=False)

    @precondition(lambda self: self.device.active is not None)
    @rule()
    def three_bad_starts(self) -> None:
        left = take_back(self.device.layout, "crash: three starts without a frame")
        assert left is not None and self.device.active != left
        self.restart(same_boot=True)

    @invariant()
    def what_runs_is_whole_and_allowed(self) -> None:
        if hasattr(self, "device"):
            number = self.device.check_active()
            assert number is None or number >= OLDEST

    @invariant()
    def an_end_is_told_once(self) -> None:
        if hasattr(self, "device"):
            told = self.device.events.told
            sequences = [sequence for sequence, _ in told]
            assert sequences == sorted(set(sequences))
            ends = [(standing.release, standing.phase, standing.reason) for _, standing in told]
            for before, after in itertools.pairwise(ends):
                assert before != after or after[1] not in TERMINAL

    @invariant()
    def the_installed_is_never_older_unless_it_was_left(self) -> None:
        if hasattr(self, "device"):
            committed = 0
            for _, standing in self.device.events.told:
                if standing.phase == "committed":
                    assert standing.release is not None and standing.release >= committed
                    committed = standing.release
                elif standing.phase == "rolled_back" and (standing.reason or "").startswith("revoked"):
                    committed = standing.active or 0


TestDeviceLife = DeviceLife.TestCase
TestDeviceLife.settings = settings(
    max_examples=6, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
