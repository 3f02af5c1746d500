"""`fissura run` as a user meets it: what is wrong is said, with exit code 2 and no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fissura.bundle import read_manifest
from fissura.cli import main
from fissura.imaging.images import write_rgb
from tests.bundles import CASCADE_ROLES, make_bundle, write_manifest
from tests.edge_runtime.conftest import pavement


class Fissura:
    """Runs the command in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str], bundle: Path, images: Path, tmp_path: Path) -> None:
        self.words = {
            "--bundle": str(bundle),
            "--source": f"folder:{images}",
            "--sink": f"jsonl:{tmp_path / 'found.jsonl'}",
            "--threads": "1",
            "--spool": str(tmp_path / "spool.sqlite"),
        }
        self._capsys = capsys

    def run(self, *more: str, **words: str) -> tuple[int, str, str]:
        given = {**self.words, **{f"--{name.replace('_', '-')}": word for name, word in words.items()}}
        line = [part for pair in given.items() for part in pair] + list(more)
        try:
            code = main(["run", *line])
        except SystemExit as end:  # argparse
            code = int(end.code or 0)
        out, err = self._capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err


@pytest.fixture
def fissura(capsys: pytest.CaptureFixture[str], bundle: Path, images: Path, tmp_path: Path) -> Fissura:
    return Fissura(capsys, bundle, images, tmp_path)


def test_prints_a_summary_for_people_and_one_for_programs(fissura: Fissura, tmp_path: Path) -> None:
    code, out, err = fissura.run("--json", mission="m7", serial="drone.1", gsd="2")
    assert code == 0
    summary = json.loads(out)
    assert (summary["frames"], summary["detections"], summary["drops"]) == (5, 10, {})
    assert {"encode", "fused", "decode", "jsonl", "frame"} <= summary["stage_ms"].keys()
    assert "5 frames" in err and "10 detections" in err
    lines = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    assert {(line["mission_id"], line["serial"], line["frame"]["gsd_mm_per_px"]) for line in lines} == {
        ("m7", "drone.1", 2.0)
    }


@pytest.mark.parametrize("mode", ["fused", "sr+segmentation", "segmentation"])
def test_every_mode_finds_the_cracks(fissura: Fissura, mode: str) -> None:
    code, out, _ = fissura.run("--json", mode=mode)
    assert code == 0 and json.loads(out)["detections"] >= 10


def test_masks(fissura: Fissura, tmp_path: Path) -> None:
    left = np.zeros((72, 96), np.uint8)
    left[:, :48] = 255
    write_rgb(tmp_path / "left.png", left)
    write_rgb(tmp_path / "right.png", 255 - left)
    assert json.loads(fissura.run("--json", roi=str(tmp_path / "left.png"))[1])["detections"] == 5
    assert json.loads(fissura.run("--json", ignore=str(tmp_path / "left.png"))[1])["detections"] == 5
    both = {"roi": str(tmp_path / "left.png"), "ignore": str(tmp_path / "left.png")}
    assert json.loads(fissura.run("--json", **both)[1])["detections"] == 0


def test_threshold_and_length(fissura: Fissura) -> None:
    assert json.loads(fissura.run("--json", threshold="0.999999")[1])["detections"] < 10
    assert json.loads(fissura.run("--json", min_length="400")[1])["detections"] == 0


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ({"bundle": "/nowhere"}, "is no bundle"),
        ({"source": "folder:/nowhere"}, "does not exist"),
        ({"source": "file:/nowhere.mp4"}, "does not exist"),
        ({"source": "v4l2:/dev/video97?retry=false"}, "/dev/video97 is not there"),
        ({"source": "folder:x?lop=1"}, "unknown key 'lop'"),
        ({"source": "nonsense"}, "no known scheme"),
        ({"sink": "kafka:x"}, "no known scheme"),
        ({"sink": "jsonl:/proc/nope/x"}, "cannot be written"),
        ({"sink": "mqtt://u:pw@h"}, "holds a password"),
        ({"sink": "mqtt://h?ca=x"}, "unencrypted"),
        ({"roi": "/nowhere.png"}, "cannot be read"),
        ({"serial": "a/b"}, "serial 'a/b'"),
        ({"threshold": "1.5"}, "threshold: Input should be less than 1 (found '1.5')"),
        ({"threads": "-1"}, "threads: Input should be greater than or equal to 0"),
        ({"threads": "99999999999"}, "less than or equal to 1024"),
        ({"threads": "9" * 400}, "less than or equal to 1024"),
        ({"sink": "overlay:m\udcff.mp4"}, "is no text"),
        ({"min-length": "0"}, "min_length: Input should be greater than or equal to 1"),
        ({"mission": "m\udcff"}, "is no text"),
        ({"gsd": "0"}, "greater than"),
        ({"max-frames": "many"}, "valid integer"),
        ({"flush-timeout": "inf"}, "finite number"),
        ({"mode": "magic"}, "invalid choice"),
        ({"engine": "auto", "engine-option": "device=cuda"}, "options belong to one engine"),
        ({"engine": "tpu"}, "expected one of onnxruntime, tensorrt, openvino, auto"),
    ],
)
def test_what_is_wrong_is_said(fissura: Fissura, words: dict[str, str], found: str, tmp_path: Path) -> None:
    code, out, err = fissura.run(**words)
    assert code == 2 and found in err and out == ""
    assert not (tmp_path / "found.jsonl").exists() or (tmp_path / "found.jsonl").read_bytes() == b""


def test_a_file_of_the_bundle_that_was_changed(fissura: Fissura, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    with (bundle / "fused.onnx").open("ab") as stream:
        stream.write(b" ")
    code, _, err = fissura.run(bundle=str(bundle))
    assert code == 2 and "is not the file that was exported" in err


def test_a_graph_of_the_wrong_shape(fissura: Fissura, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle")
    graphs = dict(read_manifest(bundle).graphs)
    fused = graphs["fused"]
    graphs["fused"] = fused.model_copy(update={"output": fused.output.model_copy(update={"scale": 3})})
    write_manifest(bundle, graphs)
    code, _, err = fissura.run(bundle=str(bundle))
    assert code == 2 and "gives (1, 1, 16, 16)" in err and "(1, 1, 24, 24)" in err


def test_a_mask_of_another_size(fissura: Fissura, tmp_path: Path) -> None:
    write_rgb(tmp_path / "mask.png", np.full((10, 10), 255, np.uint8))
    code, _, err = fissura.run(roi=str(tmp_path / "mask.png"))
    assert code == 2 and "mask.png is 10x10" in err and "frame is 96x72" in err


def test_a_damaged_image_costs_one_frame(fissura: Fissura, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    write_rgb(folder / "a.png", pavement())
    (folder / "b.png").write_bytes(b"no image")
    code, out, err = fissura.run("--json", source=f"folder:{folder}")
    assert code == 0
    assert json.loads(out)["drops"] == {"unreadable": 1} and json.loads(out)["frames"] == 1
    assert "1 unreadable" in err
    (folder / "a.png").unlink()
    code, _, err = fissura.run(source=f"folder:{folder}")
    assert code == 2 and "no frame could be read" in err and "b.png" in err


def test_a_name_that_is_no_text_costs_nothing(fissura: Fissura, tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/run-\xff"))
    folder.mkdir()
    for name in (b"a-\xfe.png", b"a-\xff.png"):
        write_rgb(folder / os.fsdecode(name), pavement())
    code, out, _ = fissura.run("--json", "--sink", f"overlay:{tmp_path / 'drawn'}", source=f"folder:{folder}")
    summary = json.loads(out)
    assert (code, summary["frames"], summary["drops"], summary["sink_errors"]) == (0, 2, {}, {})
    frames = [json.loads(line)["frame"] for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    assert {frame["name"] for frame in frames} == {r"a-\udcfe.png", r"a-\udcff.png"}
    assert {frame["source"] for frame in frames} == {r"folder:run-\udcff"}
    assert len(list((tmp_path / "drawn").iterdir())) == 2


def test_an_output_that_takes_nothing_fails_the_run(fissura: Fissura, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    code, _, err = fissura.run("--sink", "jsonl:/dev/full")
    assert code == 2 and "/dev/full cannot be written: No space left" in err
    assert "frames refused by outputs: 5 by jsonl" in err
    assert len((tmp_path / "found.jsonl").read_text().splitlines()) == 10


def test_lines_go_into_a_pipe(bundle: Path, images: Path) -> None:
    words = ["run", "--bundle", str(bundle), "--source", f"folder:{images}", "--sink", "jsonl:/dev/stdout"]
    finished = subprocess.run(
        [sys.executable, "-m", "fissura", *words, "--threads", "1"], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert len([json.loads(line) for line in finished.stdout.splitlines()]) == 10


def test_cascade_counts_what_had_no_time(fissura: Fissura, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "cascade", roles=CASCADE_ROLES)
    code, out, err = fissura.run("--json", bundle=str(bundle), mode="cascade", tile="16", halo="16")
    summary = json.loads(out)
    assert (code, summary["frames"], summary["detections"]) == (0, 5, 10)
    assert summary["tiles"]["proposed"] >= 5 * 8
    assert summary["tiles"]["left_out"] == 0
    assert {"proposal", "select", "tiles", "decode"} <= summary["stage_ms"].keys()
    code, out, err = fissura.run("--json", bundle=str(bundle), mode="cascade", tile="16", budget_ms="1")
    hurried = json.loads(out)
    assert (code, hurried["frames"]) == (0, 5)
    assert 0 < hurried["tiles"]["left_out"] <= hurried["tiles"]["proposed"]
    assert "of them without time" in err


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ({"budget_ms": "20"}, "a budget in mode 'fused'"),
        ({"budget_ms": "0"}, "budget_ms: Input should be greater than or equal to 1 (found '0')"),
        ({"mode": "cascade"}, "cannot run in mode 'cascade'"),
        ({"mode": "lr-only"}, "cannot run in mode 'lr-only'"),
        ({"tile": "4"}, "tile: Input should be greater than or equal to 8 (found '4')"),
        ({"tile": "32"}, "holds no graph 'tile'"),
        ({"halo": "-1"}, "found '-1'"),
        ({"halo": "8"}, "a halo without tiles"),
        ({"proposal_threshold": "0.1"}, "a proposal threshold in mode 'fused'"),
        ({"tile_batch": "0"}, "found '0'"),
        ({"proposal_threshold": "1"}, "less than 1"),
    ],
)
def test_wrong_cascade(fissura: Fissura, words: dict[str, str], found: str, tmp_path: Path) -> None:
    code, _, err = fissura.run(**words)
    assert code == 2
    assert found in err
    assert not (tmp_path / "found.jsonl").exists()


@pytest.mark.parametrize(
    ("option", "code", "message"),
    [
        ("threads=1", 0, "5 frames"),
        ("threads=many", 2, "threads"),
        ("colour=blue", 2, "unknown key 'colour'"),
        ("threads", 2, "expected NAME=VALUE"),
        ("size=[1", 2, "expected NAME=VALUE"),
    ],
)
def test_options_of_the_engine_are_read_as_yaml_and_checked(
    fissura: Fissura, option: str, code: int, message: str
) -> None:
    found, _, err = fissura.run("--engine-option", option)
    assert found == code
    assert message in err
