"""A run that dies is started again, and a model with which it does not start is taken back."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from edge_runtime.agent.boots import MOST_STARTS, Boots
from edge_runtime.agent.supervisor import Supervisor
from edge_runtime.health.systemd import Notifier
from edge_runtime.updates.journal import Journal
from edge_runtime.updates.layout import Layout
from edge_runtime.updates.links import point
from edge_runtime.updates.lock import locked
from tests.mosquitto import wait_until

CRASH = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Release 8 is active, 7 was before."""
    layout = Layout(tmp_path / "state")
    layout.make()
    for number in (7, 8):
        layout.release(number).mkdir()
    point(layout, "previous", 7)
    point(layout, "active", 8)
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
    assert code == 0 and starts(layout) == MOST_STARTS + 1
    assert layout.number("active") == 7 and layout.number("previous") is None
    state = Journal(layout).state
    assert state.phase == "rolled_back" and state.release == 8
    assert "boots: 3 starts in a row died" in state.quarantined[8]
    assert Boots(layout.boots).count == 0


def test_a_release_that_has_worked_is_not_taken_back_for_later_deaths(layout: Layout) -> None:
    code = supervise(layout, f"if starts < 8: (state / 'boots').unlink(); {CRASH}")
    assert code == 0 and starts(layout) == 8 and layout.number("active") == 8


def test_two_deaths_are_not_enough(layout: Layout) -> None:
    assert supervise(layout, f"if starts < {MOST_STARTS}: {CRASH}") == 0
    assert layout.number("active") == 8


def test_a_run_that_says_what_is_wrong_is_no_death(layout: Layout) -> None:
    """A camera that is not there for an hour must not cost the model."""
    assert supervise(layout, "sys.exit(2 if starts < 6 else 0)") == 0
    assert starts(layout) == 6 and layout.number("active") == 8


def test_the_bundle_that_the_device_came_with_is_started_again_and_again(layout: Layout) -> None:
    point(layout, "active", None)
    assert supervise(layout, f"if starts < 6: {CRASH}") == 0
    assert starts(layout) == 6 and not layout.state.exists()


def test_a_state_folder_that_is_in_use_does_not_keep_it_from_starting(layout: Layout) -> None:
    with locked(layout):
        assert supervise(layout, f"if starts < 5: {CRASH}") == 0
    assert layout.number("active") == 8


def test_power_cuts_count_but_not_those_of_a_device_without_a_camera(layout: Layout) -> None:
    """A supervisor that vanished leaves the count behind; a run that has nothing to do takes its start back."""
    boots = Boots(layout.boots)
    for _ in range(5):
        boots.set(boots.count + 1)
        boots.waiting()
    assert supervise(layout, "pass") == 0 and layout.number("active") == 8
    boots.set(MOST_STARTS)
    assert supervise(layout, "pass") == 0 and layout.number("active") == 7


def test_a_death_that_was_seen_counts_also_after_a_long_wait_for_a_camera(layout: Layout) -> None:
    script = f"if os.readlink(state / 'active') == 'releases/8': (state / 'boots').write_text('0'); {CRASH}"
    assert supervise(layout, script) == 0
    assert starts(layout) == MOST_STARTS + 1 and layout.number("active") == 7


def test_the_count_outlives_the_supervisor_and_is_never_an_accident(tmp_path: Path) -> None:
    boots = Boots(tmp_path / "boots")
    assert boots.count == 0 and boots.well
    boots.set(2)
    assert Boots(tmp_path / "boots").count == 2 and not boots.well
    boots.healthy()
    assert boots.count == 0 and boots.well
    for content in ("", "nonsense", "-3", "\xff"):
        (tmp_path / "boots").write_text(content, encoding="utf-8")
        assert boots.count == 0
    Boots(tmp_path / "boots" / "below-a-file").set(1)  # cannot be written: said, and no more


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


def test_the_run_does_not_outlive_a_killed_supervisor(layout: Layout) -> None:
    """Or it would hold the camera, and the next one could not start."""
    agent = start(layout, LISTENS)
    assert agent.stdout is not None
    run = int(agent.stdout.readline())
    agent.kill()
    agent.wait()
    assert wait_until(lambda: not psutil.pid_exists(run))
    agent.stdout.close()
