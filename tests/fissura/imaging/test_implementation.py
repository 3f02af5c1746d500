"""Who measures cracks, where numba is there, is not there, or fails."""

from __future__ import annotations

import importlib.util
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fissura.imaging.implementation import NUMPY, default_folder, fastest

ASK = "import logging; logging.basicConfig(level='INFO')\n"
ASK += "from fissura.imaging.implementation import fastest; print(fastest().name)"
needs_numba = pytest.mark.skipif(
    importlib.util.find_spec("numba") is None, reason="numba is not installed (extra 'fast')"
)


def ask(cache: Path) -> tuple[str, str]:
    """What a new process chooses, and what it logs."""
    done = subprocess.run(
        [sys.executable, "-c", ASK],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "XDG_CACHE_HOME": str(cache)},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), done.stderr


def test_numpy_where_numba_is_not_installed(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with caplog.at_level(logging.INFO):
        assert fastest.__wrapped__() is NUMPY
    assert caplog.text == ""


@needs_numba
def test_numpy_and_a_warning_where_machine_code_cannot_be_kept(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Compiled anew at every start, the device would come up ten seconds later."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert fastest.__wrapped__() is NUMPY
    assert "measured by numpy" in caplog.text


def test_machine_code_is_kept_in_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/cache")
    assert default_folder() == Path("/var/cache/fissura/compiled")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/road")
    assert default_folder() == Path("/home/road/.cache/fissura/compiled")


@pytest.mark.slow
@needs_numba
def test_compiled_once_and_again_where_a_power_cut_has_torn_the_files(tmp_path: Path) -> None:
    old = tmp_path / "fissura" / "compiled" / "of-an-earlier-version"
    old.mkdir(parents=True)
    name, log = ask(tmp_path)
    assert name == "compiled" and "once" in log and not old.exists()
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert len(files) == 2  # an index and the code of one function
    name, log = ask(tmp_path)
    assert (name, log) == ("compiled", "")
    for torn in ("*.nbi", "*.nbc"):
        for path in tmp_path.rglob(torn):
            os.truncate(path, path.stat().st_size // 2)
        name, log = ask(tmp_path)
        assert name == "compiled" and "compiling again" in log
        assert ask(tmp_path) == ("compiled", "")
