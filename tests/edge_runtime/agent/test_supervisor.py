"""A run that dies is started again, and a model with which it does not start is taken back."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil
import pytest

from edge_runtime.agent.boots import MOST_CUTS, MOST_DEATHS, Boots, Starts
from edge_runtime.agent.supervisor import Supervisor, _prepare
from edge_runtime.health.systemd import Notifier
from edge_runtime.updates.journal import Journal
from edge_runtime.updates.layout import Layout
from edge_runtime.updates.links import point
from edge_runtime.updates.lock import locked
from edge_runtime.updates.state import State, StateFile
from tests.mosquitto import wait_until

CRASH = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"


@pytest.fixture(autouse=True)
def no_process_outlives_its_test() -> Iterator[None]:
    """Whatever fails here must not look like a fault of the tests that come later."""
    yield
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            process.kill()


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Release 8 is active, 7 was before."""
    layout = Layout(tmp_path / "state")
    layout.make()
    for number in (7, 8):
        layout.release(number).mkdir()
    point(layout, "previous", 7)
    point(layout, "active", 8)
    StateFile(layout.state).save(State(committed=8))
    return layout


def supervise(layout: Layout, script: str, notifier: Notifier | None = None) -> int:
    """Run a script in the place of the run; it finds the state folder in `state`, and notes each start."""
    noted = f"import os, sys; from pathlib import Path; state = Path({str(layout.root)!r})\n"
    noted += "(state / 'starts').open('a').write('x')\nstarts = len((state / 'starts').read_text())\n"
    command = [sys.executable, "-c", noted + script]
    return Supervisor(command, layout, notifier or Notifier({}), first_wait_s=0.01).run()


def starts(layout: Layout) -> int:
    return len((layout.root / "starts").read_text())


def test_a_release_with_which_no_start_lives_is_taken_back_and_condemned(layout: Layout) -> None:
    code = supervise(layout, f"if os.readlink(state / 'active') == 'releases/8': {CRASH}")
    assert code == 0 and starts(layout) == MOST_DEATHS + 1
    assert layout.number("active") == 7 and layout.number("previous") is None
    state = Journal(layout).state
    assert state.phase == "rolled_back" and state.release == 8
    assert "boots: 3 starts in a row died" in state.quarantined[8]
    assert Boots(layout.boots).well


def test_a_release_that_has_worked_is_not_taken_back_for_later_deaths(layout: Layout) -> None:
    code = supervise(layout, f"if starts < 8: (state / 'boots').unlink(); {CRASH}")
    assert code == 0 and starts(layout) == 8 and layout.number("active") == 8


def test_two_deaths_are_not_enough(layout: Layout) -> None:
    assert supervise(layout, f"if starts < {MOST_DEATHS}: {CRASH}") == 0
    assert layout.number("active") == 8


def test_what_kills_two_releases_condemns_none(layout: Layout) -> None:
    """A driver that is broken for an hour: the bundle that the device came with runs when it is back."""
    assert supervise(layout, f"if starts <= {2 * MOST_DEATHS}: {CRASH}") == 0
    assert layout.number("active") is None and starts(layout) == 2 * MOST_DEATHS + 1
    assert Journal(layout).state.quarantined == {} and Boots(layout.boots).well


def test_a_release_that_is_left_is_condemned_also_where_two_are_bad(layout: Layout) -> None:
    """Each in its turn: what was left is tried again, and what ran well meanwhile is no witness any more."""
    assert supervise(layout, f"if os.readlink(state / 'active') == 'releases/8': {CRASH}") == 0
    assert supervise(layout, f"if (state / 'active').is_symlink(): {CRASH}") == 0
    assert layout.number("active") is None and sorted(Journal(layout).state.quarantined) == [7, 8]


class Cut(BaseException):
    """The power."""


@pytest.mark.parametrize("at", range(12))
def test_a_cut_while_it_takes_back_costs_one_release_and_its_verdict_stays(
    layout: Layout, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    boots = Boots(layout.boots)
    boots.set(Starts(release=8, deaths=MOST_DEATHS))
    steps = 0

    def cut(name: str, step: Callable[..., object]) -> None:
        def stepping(*args: object, **kwargs: object) -> object:
            nonlocal steps
            steps += 1
            if steps == at + 1:
                raise Cut
            return step(*args, **kwargs)

        monkeypatch.setattr(os, name, stepping)

    for name in ("replace", "fsync", "symlink", "unlink", "rename"):
        cut(name, getattr(os, name))
    with suppress(Cut):
        supervise(layout, "pass")
    monkeypatch.undo()
    assert supervise(layout, "pass") == 0
    assert layout.number("active") == 7 and list(Journal(layout).state.quarantined) == [8]


def test_a_run_that_says_what_is_wrong_is_no_death(layout: Layout) -> None:
    """A camera that is not there for an hour must not cost the model."""
    assert supervise(layout, "sys.exit(2 if starts < 6 else 0)") == 0
    assert starts(layout) == 6 and layout.number("active") == 8


def test_the_bundle_that_the_device_came_with_is_started_again_and_again(layout: Layout) -> None:
    point(layout, "active", None)
    assert supervise(layout, f"if starts < 6: {CRASH}") == 0
    assert starts(layout) == 6 and not Journal(layout).state.quarantined


def test_a_state_folder_that_is_in_use_does_not_keep_it_from_starting(layout: Layout) -> None:
    with locked(layout):
        assert supervise(layout, f"if starts < 5: {CRASH}") == 0
    assert layout.number("active") == 8


def test_power_cuts_count_but_not_those_of_a_device_without_a_camera(layout: Layout) -> None:
    """A supervisor that vanished leaves the count behind; a run that has nothing to do takes its start back."""
    boots = Boots(layout.boots)

    def cut() -> None:
        starts = boots.of(8)
        boots.set(starts.but(cuts=starts.cuts + 1))

    for _ in range(2 * MOST_CUTS):
        cut()
        boots.waiting()
    assert not boots.of(8).too_many
    for _ in range(MOST_CUTS - 1):
        cut()
    assert supervise(layout, "pass") == 0 and layout.number("active") == 8
    for _ in range(MOST_CUTS):
        cut()
    assert supervise(layout, "pass") == 0 and layout.number("active") == 7
    assert "the device was cut off in 10 starts" in Journal(layout).state.quarantined[8]


def test_a_death_that_was_seen_counts_also_after_a_long_wait_for_a_camera(layout: Layout) -> None:
    script = f"if os.readlink(state / 'active') == 'releases/8': (state / 'boots').write_text('{{}}'); {CRASH}"
    assert supervise(layout, script) == 0
    assert starts(layout) == MOST_DEATHS + 1 and layout.number("active") == 7


def test_the_count_outlives_the_supervisor_and_is_never_an_accident(tmp_path: Path) -> None:
    boots = Boots(tmp_path / "boots")
    assert boots.of(7) == Starts(release=7) and boots.well
    boots.set(Starts(release=7, deaths=2))
    assert Boots(tmp_path / "boots").of(7).deaths == 2
    assert boots.of(8) == Starts(release=8)  # another one
    boots.healthy()
    assert boots.of(7) == Starts(release=7) and not (tmp_path / "boots").exists()
    for content in ("", "nonsense", "-3", "\xff", '{"release": 7, "deaths": -3}'):
        (tmp_path / "boots").write_text(content, encoding="utf-8")
        assert boots.of(7) == Starts(release=7)
    Boots(tmp_path / "boots" / "below-a-file").set(Starts())  # cannot be written: said, and no more


def test_the_service_manager_hears_from_it_while_the_run_starts(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        script = "import time; time.sleep(1.5); sys.exit(7 if starts == 1 and 'WATCHDOG_PID' in os.environ else 0)"
        assert supervise(layout, script, notifier) == 0
        assert starts(layout) == 1  # the run is told to feed the watchdog of the service
        assert manager.recv(100) == b"WATCHDOG=1"


def start(layout: Layout, script: str) -> subprocess.Popen[str]:
    """A supervisor in a process of its own, as `fissura agent` sets it up."""
    code = (
        "from pathlib import Path; import sys\n"
        "from edge_runtime.agent.supervisor import Supervisor; from edge_runtime.health.systemd import Notifier\n"
        "from edge_runtime.signals import handling_signals; from edge_runtime.updates.layout import Layout\n"
        "one = Supervisor([sys.executable, '-c', sys.argv[2]], Layout(Path(sys.argv[1])), Notifier({}), 0.01)\n"
        "with handling_signals(one.stop, one.hurry, one.reload): sys.exit(one.run())\n"
    )
    words = [sys.executable, "-c", code, str(layout.root), script]
    return subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


LISTENS = """
import os, signal, sys, time
def heard(number, frame):
    print(signal.Signals(number).name, flush=True)
    if number == signal.SIGTERM: sys.exit(0)
signal.signal(signal.SIGHUP, heard); signal.signal(signal.SIGTERM, heard)
print(os.getpid(), flush=True)
while True: time.sleep(0.05)
"""


def test_signals_go_to_the_run(layout: Layout) -> None:
    agent = start(layout, LISTENS)
    assert agent.stdout is not None
    run = int(agent.stdout.readline())
    agent.send_signal(signal.SIGHUP)
    assert agent.stdout.readline() == "SIGHUP\n"
    agent.send_signal(signal.SIGTERM)
    assert agent.stdout.readline() == "SIGTERM\n"
    assert agent.wait(20) == 0 and not psutil.pid_exists(run)
    agent.stdout.close()


def test_the_third_signal_ends_a_run_that_hears_none(layout: Layout) -> None:
    agent = start(layout, LISTENS.replace("sys.exit(0)", "pass"))
    assert agent.stdout is not None
    run = int(agent.stdout.readline())
    for _ in range(2):
        agent.send_signal(signal.SIGTERM)
        assert agent.stdout.readline() == "SIGTERM\n"
    agent.send_signal(signal.SIGTERM)
    assert agent.wait(20) != 0 and not psutil.pid_exists(run)
    agent.stdout.close()


def test_the_third_signal_kills_though_it_comes_while_the_second_is_passed_on(
    layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, sent = Supervisor([], layout, Notifier({})), list[int]()

    def send(number: int) -> None:
        sent.append(number)
        if len(sent) == 2:
            one.hurry()

    monkeypatch.setattr(one, "_send", send)
    one.stop()
    one.hurry()
    assert sent == [signal.SIGTERM, signal.SIGTERM, signal.SIGKILL]


def test_a_signal_without_a_name_is_a_death_too(layout: Layout) -> None:
    assert supervise(layout, f"if starts == 1: os.kill(os.getpid(), {signal.SIGRTMIN + 2})") == 0
    assert starts(layout) == 2


def test_a_run_whose_supervisor_is_gone_before_it_begins_does_not_begin() -> None:
    command = [sys.executable, "-c", "print('begun')"]
    prepare = partial(_prepare, 1 << 30)
    done = subprocess.run(command, preexec_fn=prepare, stdout=subprocess.PIPE, timeout=20, check=False)
    assert done.returncode == 2 and done.stdout == b""


def test_the_run_does_not_outlive_a_killed_supervisor(layout: Layout) -> None:
    """Or it would hold the camera, and the next one could not start."""
    agent = start(layout, LISTENS)
    assert agent.stdout is not None
    run = int(agent.stdout.readline())
    agent.kill()
    agent.wait()
    assert wait_until(lambda: not psutil.pid_exists(run))
    agent.stdout.close()
