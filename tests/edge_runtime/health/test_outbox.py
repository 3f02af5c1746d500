from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from edge_runtime.health.outbox import Outbox, look_at
from edge_runtime.spool import Spool


def test_a_store_that_is_well(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.sqlite")
    before = set(tmp_path.iterdir())
    state = look_at(Outbox(spool.path, spool.stats, lambda: True))
    assert (state.problem, state.connected) == (None, True)
    assert state.stats is not None and state.stats.rows == 0
    assert set(tmp_path.iterdir()) == before  # the probe is gone
    spool.close()


def test_a_store_whose_folder_takes_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "state" / "spool.sqlite")
    (tmp_path / "state").rename(tmp_path / "gone")
    (tmp_path / "state").write_text("a file stands where the folder was")
    state = look_at(Outbox(spool.path, spool.stats, lambda: False))
    assert state.problem is not None and "cannot be written" in state.problem and str(spool.path) in state.problem
    assert not state.connected
    spool.close()


PROBE = """
import resource, signal, sys
from pathlib import Path
from edge_runtime.health.outbox import Outbox, look_at
from edge_runtime.spool import Spool

spool = Spool(Path(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
print(look_at(Outbox(spool.path, spool.stats, lambda: True)).problem)
"""


def test_a_disk_that_takes_no_more_is_known_before_there_is_a_message(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: the write fails in the same place."""
    words = [sys.executable, "-c", PROBE, str(tmp_path / "spool.sqlite")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert "cannot be written: File too large" in done.stdout
    assert not list(tmp_path.glob("*.probe"))


def test_a_store_that_cannot_be_read(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool.sqlite")
    spool.close()
    state = look_at(Outbox(spool.path, spool.stats, lambda: True))
    assert state.stats is None and state.problem is not None
