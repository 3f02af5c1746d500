"""`fissura eval --protocol cssr`: several models on one data set, as paper 004's table 1 and figure 6 have them."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from export.cssr import table
from export.jobs import score_jobs
from export.scoring import open_model
from fissura.cli import main
from fissura.dataset import load_dataset
from fissura.imaging.images import read_rgb
from fissura.metrics.aiu import AiuCode
from tests.export.conftest import Made, save_small_checkpoint


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = main(["eval", *map(str, words)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_table_figure_and_json_of_several_models(
    made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = save_small_checkpoint(tmp_path / "plain", super_resolution=False)
    words = ("--protocol", "cssr", "--cross", made.data, "--models", made.checkpoint, plain)
    code, out, err = run(capsys, *words, "--names", "(f) joint", "(a) HR", "--out", tmp_path / "out")
    assert (code, err) == (0, "")
    assert (tmp_path / "out" / "table.md").read_text() == out
    rows = {row.split("|")[1].strip(): row.strip("|").split("|")[1:] for row in out.splitlines() if row[:3] == "| ("}
    assert [cell.strip() for cell in rows["(a) HR"][:2]] == ["-", "-"]
    document = json.loads((tmp_path / "out" / "cssr.json").read_text())
    assert list(document["models"]) == ["(f) joint", "(a) HR"]
    joint, high = document["models"].values()
    assert (joint["mode"], joint["model"]) == ("fused", str(made.checkpoint))
    assert (high["mode"], high["scores"]["psnr_db"]) == ("segmentation", None)
    assert len(joint["iou_by_threshold"]) == 99
    quality = json.loads(run(capsys, made.checkpoint, made.data, "--protocol", "super_resolution", "--json")[1])
    aiu = json.loads(run(capsys, made.checkpoint, made.data, "--protocol", "aiu_code", "--json")[1])
    expected = {"psnr_db": quality["psnr_db"], "ssim": quality["ssim"], "aiu_code": aiu["aiu"]}
    expected |= {"max_iou": aiu["max_iou"], "threshold": aiu["threshold"]}
    assert {key: joint["scores"][key] for key in expected} == pytest.approx(expected)
    assert f"{quality['psnr_db']:.2f}" in rows["(f) joint"][0]
    assert f"{aiu['aiu']:.4f}" in rows["(f) joint"][4]
    assert read_rgb(tmp_path / "out" / "iou-threshold.png").std() > 10


def test_one_model(made: Made, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (made.checkpoint, made.data, "--protocol", "cssr", "--limit", "1")
    code, out, _ = run(capsys, *words, "--mode", "segmentation", "--out", tmp_path / "out")
    assert code == 0
    rows = {line.split()[0]: line.split()[1] for line in out.splitlines() if len(line.split()) == 2}
    assert rows["psnr_db"] == rows["ssim"] == "-"  # no frame is enlarged there
    assert 0 <= float(rows["aiu_code"]) <= float(rows["max_iou"]) <= 1
    assert (tmp_path / "out" / "iou-threshold.png").is_file()
    figures = json.loads(run(capsys, *words, "--json")[1])
    assert figures["psnr_db"] > 0
    assert figures["protocol"] == "cssr"


def test_scores_are_taken_from_the_protocol_that_is_given(made: Made) -> None:
    model, data, protocol = open_model(made.checkpoint, None), load_dataset(made.data, "test"), AiuCode()
    found = score_jobs(model, [(data, {"aiu_code": protocol})], "aiu_code")
    assert found["aiu_code"].scores == protocol.scores()
    assert set(found) == {"aiu_code"}


def test_missing_scores_are_dashes() -> None:
    scores = {"psnr_db": math.nan, "ssim": math.nan, "max_iou": 0.5, "threshold": 0.3, "aiu_code": 0.4, "aiu": 0.4}
    assert table({"m": scores}).splitlines()[-1] == "| m | - | - | 0.5000 | 0.30 | 0.4000 | 0.4000 |"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--cross", "a", "b", "--models", "m"), "compares models on one data set (found a, b)"),
        (("--cross", "a", "--models", "m", "--score", "aiu"), "shows all its scores"),
        (("--cross", "a", "--models", "m", "n", "--names", "one"), "1 --names"),
        (("--cross", "a", "--models", "m", "n", "--names", "one", "one"), "a name stands twice"),
        (("--cross", "a", "--models", "m", "--degrade", "all"), "--cross and --degrade exclude each other"),
        (("m", "a", "--names", "one"), "--names belongs to --cross"),
        (("m", "a", "--tolerance", "2"), "'cssr' takes no --tolerance"),
    ],
)
def test_bad_input(words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, out, err = run(capsys, "--protocol", "cssr", *words, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert message in err
    assert not (tmp_path / "out").exists()
