from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge_runtime.engines.tensorrt.building_folder import building_folder


def test_it_is_there_while_it_is_needed(tmp_path: Path) -> None:
    cache = tmp_path / "new" / "cache"
    with pytest.raises(ZeroDivisionError), building_folder(cache, 60) as folder:
        (folder / "plan").touch()
        assert folder.parent == cache and f"-{os.getpid()}-" in folder.name
        raise ZeroDivisionError
    assert list(cache.iterdir()) == []


def test_what_killed_processes_left_goes(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    killed, unnamed, old = (tmp_path / f".building-{end}" for end in (f"{ended.pid}-a", "b", f"{os.getpid()}-c"))
    another = tmp_path / f".building-{os.getpid()}-d"
    for folder in (killed, unnamed, old, another):
        folder.mkdir()
        (folder / "plan").write_bytes(b"half")
    for folder in (unnamed, old):
        os.utime(folder, (0, 0))
    (tmp_path / "a.plan").touch()
    with building_folder(tmp_path, 3600) as own:
        assert {path.name for path in tmp_path.iterdir()} == {own.name, another.name, "a.plan"}
