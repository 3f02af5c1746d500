"""`fissura calibrate` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fissura.bundle import MANIFEST_NAME, load_bundle
from fissura.cli import main
from fissura.dataset import load_dataset
from fissura.imaging.images import read_gray, write_rgb
from tests.calibration.conftest import write_darkness_bundle


def calibrate(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fissura", "calibrate", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_prints_and_writes_nothing_by_default(bundle_folder: Path, streets: Path) -> None:
    before = load_bundle(bundle_folder).id
    done = calibrate(bundle_folder, streets)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["fused", "0.50", "0.80", "1.0000", "1.0000", "1.0000"] in lines
    assert "nothing was written" in done.stdout
    assert load_bundle(bundle_folder).id == before


def test_out_writes_a_new_bundle_and_the_old_one_stays(bundle_folder: Path, streets: Path, tmp_path: Path) -> None:
    before = load_bundle(bundle_folder).id
    new = tmp_path / "new"
    done = calibrate(bundle_folder, streets, "--out", new, "--json", "--limit", "2")
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert printed["written"] == str(new)
    assert printed["graphs"]["segmentation"]["threshold"] == 0.8
    assert printed["graphs"]["segmentation"]["images"] == 2
    assert load_bundle(new).graph("segmentation").threshold == 0.8
    assert load_bundle(bundle_folder).id == before


def test_split_seed_draws_another_split(bundle_folder: Path, streets: Path) -> None:
    for name in ("train", "test"):
        (streets / f"{name}.txt").unlink()
    fingerprints = set()
    for seed in range(4):
        done = calibrate(bundle_folder, streets, "--json", "--split-seed", str(seed))
        assert done.returncode == 0, done.stderr
        graph = json.loads(done.stdout)["graphs"]["fused"]
        assert graph["fingerprint"] == load_dataset(streets, "train", seed=seed).fingerprint()
        fingerprints.add(graph["fingerprint"])
    assert len(fingerprints) > 1


def test_everything_at_once(tmp_path: Path, streets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = write_darkness_bundle(tmp_path / "both", {"segmentation": 1}, {"int8-cpu": 0.5})
    mask = read_gray(streets / "masks" / "1.png")
    mask[::3] = 0  # so that not all that is reported is right
    write_rgb(streets / "masks" / "1.png", mask)
    words = ["calibrate", str(bundle), str(streets), "--tolerance", "0", "--hysteresis", "--temperature"]
    words += ["--criterion", "false-alarms", "--max-false-alarms", "0.5", "--plot", str(tmp_path / "r.png")]
    assert main([*words, "--out", str(tmp_path / "new"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    graph = printed["graphs"]["segmentation"]
    assert printed["criterion"] == "false-alarms" and graph["false_cracks_per_frame"] == 0
    assert graph["low_threshold"] is None and 0 <= graph["hysteresis_gain_f1"] < 0.001
    assert graph["ece_after"] <= graph["ece_before"] and graph["nll_after"] <= graph["nll_before"]
    assert graph["variants"]["int8-cpu"]["threshold"] < graph["threshold"] / 2 + 0.01
    new = load_bundle(tmp_path / "new").graph("segmentation")
    assert (new.threshold, new.temperature) == (graph["threshold"], graph["temperature"])
    assert new.variants["int8-cpu"].threshold == graph["variants"]["int8-cpu"]["threshold"]
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")
    assert main(words) == 0
    table = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert table[0][-6:] == ["low", "T", "ECE", "ECE", "at", "T"] and table[1][0] == "segmentation"
    assert table[2][:3] == ["segmentation/int8-cpu", "0.45", f"{new.variants['int8-cpu'].threshold:.2f}"]
    assert table[2][-4:] == ["-"] * 4
    assert any(line[:3] == ["hysteresis", "of", "segmentation"] for line in table)


def test_bad_input(bundle_folder: Path, streets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases: list[tuple[list[str | Path], str]] = [
        ([tmp_path / "no-bundle", streets], "is no bundle"),
        ([bundle_folder, tmp_path / "no-data"], "there is no data set"),
        ([bundle_folder, streets, "--split", "test"], "is empty"),
        ([bundle_folder, streets, "--split", "valid"], "has no split 'valid'"),
        ([bundle_folder, streets, "--drop", "0,1", "2"], "is empty"),
        ([bundle_folder, streets, "--limit", "0"], "found '0', expected a whole number of 1 or more"),
        ([bundle_folder, streets, "--tolerance", "nan"], "found 'nan', expected a number of pixels"),
        ([bundle_folder, streets, "--out", streets], "exists already"),
        ([bundle_folder, streets, "--out", bundle_folder / "new"], "lies inside the bundle"),
        ([bundle_folder, streets, "--in-place"], "unrecognized arguments: --in-place"),
        ([bundle_folder, streets, "--split-seed", "-1"], "found '-1', expected a whole number of 0 or more"),
    ]
    for words, message in cases:
        try:
            code = main(["calibrate", *map(str, words)])
        except SystemExit as refused:  # by the parser
            code = refused.code  # type: ignore[assignment]
        printed = capsys.readouterr()
        assert code == 2 and message in printed.err and printed.out == "", message
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "streets"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--criterion", "false-alarms"), "without a limit"),
        (("--max-false-alarms", "1"), "with criterion ods"),
        (("--plot", "a.png"), "--plot without --temperature"),
        (("--temperature", "--plot", "a.jpeg"), "a path that ends in .png"),
        (("--temperature",), "all of it right"),
        (("--precision", "fp16"), "no graph at precision fp16"),
    ],
)
def test_options_that_do_not_go_together(
    options: tuple[str, ...], message: str, bundle_folder: Path, streets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = bundle_folder.parent / "new"
    assert main(["calibrate", str(bundle_folder), str(streets), *options, "--out", str(out)]) == 2
    printed = capsys.readouterr()
    assert message in printed.err and printed.out == "" and not out.exists()


def test_a_limit_that_is_no_number(bundle_folder: Path, streets: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["calibrate", str(bundle_folder), str(streets), "--max-false-alarms", "-1"])
    assert "found '-1', expected a number of cracks a frame" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["hash", "mask size", "image"])
def test_damaged_files(bundle_folder: Path, streets: Path, damage: str, tmp_path: Path) -> None:
    if damage == "hash":
        graph = bundle_folder / "fused.onnx"
        graph.write_bytes(graph.read_bytes().replace(b"darkness", b"darkmess"))
        message = "is not the file that was exported"
    elif damage == "image":
        (streets / "images" / "1.png").write_bytes(b"\x89PNG")
        message = "1.png is damaged"
    else:
        write_rgb(streets / "masks" / "1.png", read_gray(streets / "masks" / "1.png")[:-1])
        message = "expected: the size of its image"
    manifest = (bundle_folder / MANIFEST_NAME).read_bytes()
    assert_refused(calibrate(bundle_folder, streets, "--out", tmp_path / "new"), message)
    assert (bundle_folder / MANIFEST_NAME).read_bytes() == manifest
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "streets"]


def assert_refused(done: subprocess.CompletedProcess[str], message: str) -> None:
    assert done.returncode == 2, done.stdout + done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
