"""`fissura eval --degrade`: what is degraded, and that clean figures and truth stay what they are."""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from export.degrade import degraded
from export.scoring import Predictor
from fissura.cli import main
from fissura.imaging.degradation import DEGRADATIONS
from fissura.imaging.images import RgbImage, read_rgb
from tests.export.conftest import Made, save_small_checkpoint


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = main(["eval", *map(str, words)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def figures(capsys: pytest.CaptureFixture[str], *words: str | Path) -> dict[str, Any]:
    code, out, err = run(capsys, *words, "--json")
    assert (code, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


def test_table_csv_and_plot(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (made.bundle.path, made.data, "--limit", "2", "--degrade", "noise,jpeg")
    code, out, err = run(capsys, *words, "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    rows = [line.split() for line in out.splitlines() if line.startswith(("noise", "jpeg"))]
    assert [row[0] for row in rows] == ["noise", "jpeg", "noise", "jpeg"]  # and at the bundle's threshold
    alone = json.loads(run(capsys, *words[:4], "--json")[1])
    assert [float(row[-6]) for row in rows[:2]] == [pytest.approx(alone["f1"], abs=5e-5)] * 2
    assert float(rows[2][-6]) == pytest.approx(alone["at_bundle_threshold"]["f1"], abs=5e-5)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["degradation-ods.png", "degradation.csv"]
    assert read_rgb(tmp_path / "out" / "degradation-ods.png").std() > 10
    with (tmp_path / "out" / "degradation.csv").open() as stream:
        lines = [line for line in csv.DictReader(stream) if line["score"] == "f1"]
    assert [line["degradation"] for line in lines] == ["clean", *["noise"] * 5, *["jpeg"] * 5]
    assert [float(line["setting"]) for line in lines[6:]] == [90, 70, 50, 30, 10]
    assert [round(float(line["value"]), 4) for line in lines[1:6]] == [float(cell) for cell in rows[0][-5:]]
    assert float(lines[0]["value"]) == alone["f1"]


def test_scores_do_not_depend_on_the_list_of_images(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    words = (made.checkpoint, made.data, "--degrade", "noise", "--mode", "segmentation", "--protocol", "pooled")
    assert figures(capsys, *words) == figures(capsys, *words)
    images = sorted(path.stem for path in (made.data / "images").iterdir())[::2]
    last = figures(capsys, *words, "--drop", *images[:-1])["protocols"]["pooled"]["noise"]
    other = figures(capsys, *words, "--split", "all", "--drop", *set(_all(made)) - {images[-1]})
    assert last == other["protocols"]["pooled"]["noise"]


def _all(made: Made) -> list[str]:
    return [path.stem for path in (made.data / "images").iterdir()]


def test_cssr_and_another_score(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    words = (made.checkpoint, made.data, "--limit", "1", "--protocol", "cssr", "--degrade", "defocus")
    found = figures(capsys, *words)["protocols"]["cssr"]
    psnr = [found["clean"][0]["psnr_db"], *(level["psnr_db"] for level in found["defocus"])]
    assert len(psnr) == 6
    assert psnr[0] != psnr[-1]  # the enlarged image is that of the degraded frame
    code, out, _ = run(capsys, *words, "--score", "psnr_db")
    assert code == 0
    assert f"{psnr[-1]:.4f}" in out


def test_every_protocol_at_once(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (made.checkpoint, made.data, "--limit", "1", "--protocol", "all", "--degrade", "jpeg")
    code, out, _ = run(capsys, *words, "--out", tmp_path)
    assert code == 0
    for protocol, score in (("ods", "f1"), ("cssr", "aiu_code"), ("super_resolution", "psnr_db")):
        assert f"`{score}` by protocol {protocol}" in out
        assert (tmp_path / f"degradation-{protocol}.png").is_file()


def test_the_frame_is_degraded_and_nothing_else() -> None:
    seen: list[RgbImage] = []

    def probability(frame: RgbImage) -> np.ndarray[Any, np.dtype[np.float32]]:
        seen.append(frame)
        return np.zeros((4 * frame.shape[0], 4 * frame.shape[1]), np.float32)

    model = Predictor("fused", 4, 0.5, probability, 4, lambda frame: seen.append(frame) or np.zeros((4, 4, 3)))  # type: ignore[arg-type,func-returns-value]
    row = DEGRADATIONS["motion_blur"]
    weak, strong = (degraded(model, row, row.levels[level]) for level in (2, 4))
    frame = np.random.default_rng(1).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    before = frame.copy()
    weak.probability(frame)
    assert weak.enlarge is not None
    weak.enlarge(frame)
    strong.probability(frame)
    assert np.array_equal(frame, before)
    assert np.array_equal(seen[0], seen[1])  # the same chance for every use of a frame
    assert seen[0].std() > seen[2].std()
    assert not np.array_equal(seen[0], frame)


@pytest.mark.parametrize(
    ("words", "messages"),
    [
        (("--degrade", "fog"), ("no degradation 'fog'", "motion_blur, defocus")),
        (("--degrade", "jpg"), ("did you mean 'jpeg'?",)),
        (("--degrade", "jpeg,jpeg"), ("stands twice",)),
        (("--degrade", "jpeg", "--score", "iuo"), ("no score 'iuo'", "f1, precision")),
        (("--degrade", "jpeg", "--protocol", "all", "--score", "f1"), ("--score names a score of one protocol",)),
        (("--degrade", "jpeg", "--protocol", "cssr", "--score", "psnr_db"), ("no score 'psnr_db'", "max_iou")),
        (("--score", "f1"), ("--score belongs to --cross and --degrade",)),
    ],
)
def test_bad_input(
    made: Made, words: tuple[str, ...], messages: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = save_small_checkpoint(tmp_path / "plain", super_resolution=False)
    code, out, err = run(capsys, plain, made.data, "--limit", "1", *words, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    for message in messages:
        assert message in err
    assert not (tmp_path / "out").exists()


def test_missing_package_is_named(
    made: Made, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "av" else found(name, *rest))
    code, out, err = run(capsys, made.checkpoint, made.data, "--degrade", "all")
    assert (code, out) == (2, "")
    assert "degradation 'h264' needs the Python package 'av'" in err
    assert "pip install av" in err
