"""`fissura eval --cross`: the same figures as one evaluation at a time, in a table."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fissura.cli import main
from fissura.dataset import find_images
from tests.export.conftest import Made


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    code = main(["eval", *map(str, words)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.fixture
def second(made: Made, tmp_path: Path) -> Path:
    """Other images than those of `made.data`'s test list."""
    folder = tmp_path / "second"
    folder.mkdir()
    for name in ("images", "masks"):
        (folder / name).symlink_to(made.data / name)
    (folder / "test.txt").write_text(f"{sorted(find_images(made.data))[1]}\n")
    return folder


def test_every_model_on_every_set(made: Made, second: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = (made.checkpoint, "baseline:canny")
    words = ("--cross", made.data, second, "--models", *models, "--mode", "segmentation", "--protocol", "structured")
    code, out, err = run(capsys, *words, "--out", tmp_path / "matrix")
    assert (code, err) == (0, "")
    document = json.loads((tmp_path / "matrix" / "cross.json").read_text())
    assert (tmp_path / "matrix" / "cross.md").read_text() == out
    assert document["images"] == {str(made.data): 3, str(second): 1}
    assert list(document["scores"]) == [str(model) for model in models]
    for model in models:
        cells = []
        for data in (made.data, second):
            alone = json.loads(
                run(capsys, model, data, "--protocol", "structured", "--mode", "segmentation", "--json")[1]
            )
            figures = document["scores"][str(model)][str(data)]
            assert figures == {key: alone[key] for key in figures}
            cells.append(f"{alone['f1']:.4f}")
        assert f"| {model} | {' | '.join(cells)} |" in out
    assert re.search(r"^`f1` by protocol structured, threshold 0.5, tolerance 2 px", out)


def test_another_score_and_json(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--cross", made.data, "--models", "baseline:canny", "--protocol", "ods")
    code, out, _ = run(capsys, *words, "--score", "recall")
    figures = json.loads(run(capsys, *words, "--json")[1])
    assert code == 0
    recall = figures["scores"]["baseline:canny"][str(made.data)]["recall"]
    assert f"| baseline:canny | {recall:.4f} |" in out
    assert figures["options"] == {"tolerance_px": 2.0, "matching": "disk", "thinned": False}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("model", "data", "--cross", "DATA", "--models", "m"), "no MODEL and DATA beside it"),
        (("--cross", "DATA"), "--cross has no models"),
        (("--cross", "DATA", "DATA", "--models", "m"), "a data set stands twice"),
        (("--cross", "DATA", "--models", "m", "m"), "a model stands twice"),
        (("--cross", "DATA", "--models", "m", "--protocol", "all"), "cannot score 'all'"),
        (("--cross", "DATA", "--models", "m", "--protocol", "super_resolution"), "cannot score 'super_resolution'"),
        (("--cross", "DATA", "--models", "m", "--protocol", "aiu", "--matching", "disk"), "takes no --matching"),
        (("--cross", "none", "--models", "m"), "no data set 'none'"),
        (("--cross", "DATA", "--models", "m"), "there is no m"),
        (("--cross", "DATA", "--models", "baseline:canny", "--score", "iuo"), "no score 'iuo'"),
    ],
)
def test_bad_input(
    made: Made, words: tuple[str, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = [str(made.data) if word == "DATA" else word for word in words]
    code, out, err = run(capsys, *named, "--out", tmp_path / "out")
    assert (code, out) == (2, "")
    assert message in err
    assert not (tmp_path / "out").exists()
