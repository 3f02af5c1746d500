from __future__ import annotations

import hashlib
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fissura.files import replacing, replacing_folder, sha256, write_text

OLD, NEW = b"old" * 1000, b"new" * 200_000


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


WRITE_FOR_EVER = """
import sys
from pathlib import Path
from fissura.files import replacing
path, content = Path(sys.argv[1]), b"new" * 200_000
print("ready", flush=True)
while True:
    with replacing(path) as aside:
        with aside.open("wb") as stream:
            for start in range(0, len(content), 4096):
                stream.write(content[start : start + 4096])
"""


@pytest.mark.parametrize("wait_ms", [0, 1, 3, 7, 15, 40])
def test_a_kill_leaves_the_old_content_or_the_new(tmp_path: Path, wait_ms: int) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(OLD)
    writer = subprocess.Popen([sys.executable, "-c", WRITE_FOR_EVER, str(path)], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    writer.stdout.readline()
    time.sleep(wait_ms / 1000)
    os.kill(writer.pid, signal.SIGKILL)
    assert writer.wait() == -signal.SIGKILL
    writer.stdout.close()
    assert path.read_bytes() in (OLD, NEW)


def test_success_replaces_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "report.json"
    write_text(path, "{}")
    write_text(path, "[]")
    assert path.read_text() == "[]"
    assert names(path.parent) == ["report.json"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_the_temporary_name_keeps_the_suffix(tmp_path: Path) -> None:
    with replacing(tmp_path / "image.png") as aside:
        assert aside.suffix == ".png"
        assert aside.parent == tmp_path


@pytest.mark.parametrize("problem", [RuntimeError, KeyboardInterrupt])
def test_an_exception_keeps_the_old_file_and_leaves_nothing_beside(
    tmp_path: Path, problem: type[BaseException]
) -> None:
    path = tmp_path / "report.json"
    write_text(path, "old")
    with pytest.raises(problem), replacing(path) as aside:
        aside.write_text("half")
        raise problem
    assert path.read_text() == "old"
    assert names(tmp_path) == ["report.json"]


def test_a_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    for content in ("one", "two"):
        with replacing_folder(tmp_path / "bundle") as aside:
            (aside / "sub").mkdir()
            (aside / "sub" / f"{content}.txt").write_text(content)
    assert [path.name for path in tmp_path.rglob("*.txt")] == ["two.txt"]
    assert names(tmp_path) == ["bundle"]


def test_an_exception_keeps_the_old_folder(tmp_path: Path) -> None:
    with replacing_folder(tmp_path / "bundle") as aside:
        (aside / "a").write_text("old")
    with pytest.raises(RuntimeError), replacing_folder(tmp_path / "bundle") as aside:
        (aside / "a").write_text("half")
        raise RuntimeError
    assert (tmp_path / "bundle" / "a").read_text() == "old"
    assert names(tmp_path) == ["bundle"]


def test_when_the_new_folder_cannot_take_its_place_the_old_one_stands_again(tmp_path: Path) -> None:
    with replacing_folder(tmp_path / "bundle") as aside:
        (aside / "a").write_text("old")
    with pytest.raises(FileNotFoundError), replacing_folder(tmp_path / "bundle") as aside:
        (aside / "a").write_text("new")
        aside.rename(tmp_path / "elsewhere")  # somebody takes the new folder away before the last rename
    assert (tmp_path / "bundle" / "a").read_text() == "old"


@given(st.binary(max_size=4096))
def test_sha256_is_that_of_the_content(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        path.write_bytes(content)
        assert sha256(path) == hashlib.sha256(content).hexdigest()
