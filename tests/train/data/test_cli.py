from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fissura.cli import main
from fissura.dataset import DATA_VARIABLE
from fissura.imaging.images import read_rgb, write_rgb
from tests.train.data.conftest import pavement


def test_list_shows_every_set_with_its_figures(
    clean_set: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rgb(clean_set.parent / "other" / "images" / "a.png", pavement(1, 200, 300))
    write_rgb(clean_set.parent / "other" / "images" / "b.png", pavement(1, 20, 30))
    (clean_set.parent / "no-set").mkdir()
    monkeypatch.setenv(DATA_VARIABLE, str(clean_set.parent))
    assert main(["data", "list"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert rows == [
        ["clean", "6", "train", "4,", "test", "2", "128x96", "2.34"],
        ["other", "2", "-", "30x20", "to", "300x200", "-"],
    ]


def test_list_leaves_out_a_list_that_cannot_be_read(clean_set: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (clean_set / "train.txt").write_bytes(b"\xff\xfe\x00")
    assert main(["data", "list", "--data", str(clean_set.parent), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["splits"] == {"test": 2}


def test_list_as_json(clean_set: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list", "--data", str(clean_set.parent), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["splits"] == {"train": 4, "test": 2}
    assert row["smallest"] == row["largest"] == [128, 96]
    assert row["crack_percent"] == pytest.approx(100 * 3 / 128)


def test_list_without_a_folder_says_how_to_name_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    assert main(["data", "list"]) == 2
    assert f"export {DATA_VARIABLE}=" in capsys.readouterr().err
    assert main(["data", "list", "--data", "/nowhere/at/all"]) == 2


def test_check_of_a_clean_set_ends_with_0(clean_set: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(clean_set)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "clean: 6 images (train 4, test 2)"
    assert lines[-1] == "no problems found"


def test_check_prints_one_line_a_problem_and_ends_with_1(clean_set: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (clean_set / "masks" / "0.png").unlink()
    (clean_set / "images" / "4.png").write_bytes(b"no image")
    assert main(["data", "check", str(clean_set)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[:2] for line in lines[-3:-1]] == [
        ["unreadable", "images/4.png"],
        ["no-mask", "images/0.png"],
    ]
    assert lines[-1] == "2 problems found"


def test_check_as_json(clean_set: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(clean_set / "masks" / "1.png", clean_set / "masks" / "3.png")
    assert main(["data", "check", str(clean_set), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["crack_fraction"]["mean"] == pytest.approx(3 / 128)
    assert set(report["problems"][0]) == {"kind", "file", "found", "fix"}


@pytest.mark.parametrize("name", ["no-such-set", "."])
def test_check_of_no_data_set_ends_with_2(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["data", "check", name]) == 2
    assert capsys.readouterr().err.startswith("fissura data: error: ")


def test_the_commands_do_without_torch(clean_set: Path) -> None:
    code = (
        "import sys\nfrom fissura.cli import main\n"
        f"main(['data', 'check', {str(clean_set)!r}])\nmain(['data', 'list', '--data', {str(clean_set.parent)!r}])\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[3], check=False).returncode == 0


@pytest.mark.parametrize("size", ["480", "480x", "x320", "0x320", "-1x5", "axb"])
def test_synth_refuses_what_is_no_size(size: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["data", "synth", str(tmp_path / "out"), f"--size={size}"])
    assert caught.value.code == 2
    assert not (tmp_path / "out").exists()


def synth(out: Path, *words: str) -> int:
    return main(["data", "synth", str(out), "--count", "3", "--size", "96x64", *words])


def test_synth_makes_a_clean_set_of_that_size_the_same_for_the_same_seed(tmp_path: Path) -> None:
    for name, seed in (("a", "5"), ("b", "5"), ("c", "6")):
        assert synth(tmp_path / name, "--seed", seed, "--gsd", "1.5") == 0
        assert main(["data", "check", str(tmp_path / name)]) == 0
    pictures = {name: sorted((tmp_path / name / "images").iterdir()) for name in "abc"}
    assert {name: len(paths) for name, paths in pictures.items()} == {"a": 3, "b": 3, "c": 3}
    assert read_rgb(pictures["a"][0]).shape == (64, 96, 3)
    contents = {name: [path.read_bytes() for path in paths] for name, paths in pictures.items()}
    assert contents["a"] == contents["b"]
    assert contents["a"] != contents["c"]


def test_synth_keeps_a_folder_that_is_not_empty_unless_forced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("precious")
    assert synth(tmp_path / "out") == 2
    assert "--force" in capsys.readouterr().err
    assert synth(tmp_path / "made") == 0
    assert synth(tmp_path / "made", "--count", "2") == 2
    assert len(list((tmp_path / "made" / "images").iterdir())) == 3
    assert synth(tmp_path / "made", "--count", "2", "--force") == 0
    assert len(list((tmp_path / "made" / "images").iterdir())) == 2
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_synth_replaces_nothing_but_its_own_sets_even_when_forced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine.txt").write_text("precious")
    (tmp_path / "file").write_text("precious")
    for name in ("folder", "file"):
        assert synth(tmp_path / name, "--force") == 2
        assert "is no synthetic data set" in capsys.readouterr().err
    assert (tmp_path / "folder" / "mine.txt").read_text() == (tmp_path / "file").read_text() == "precious"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize("words", [["--count", "0"], ["--count", "-1"], ["--gsd", "-1"], ["--config", "nowhere.yaml"]])
def test_synth_refuses_bad_input_and_writes_nothing(words: list[str], tmp_path: Path) -> None:
    assert synth(tmp_path / "out", *words) == 2
    assert not (tmp_path / "out").exists()


def test_synth_names_an_unknown_key_of_its_config(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "synth.yaml").write_text("widht: 96\n")
    assert synth(tmp_path / "out", "--config", str(tmp_path / "synth.yaml")) == 2
    message = capsys.readouterr().err
    assert "line 1: unknown key 'widht'" in message
    assert "did you mean 'width'?" in message
