"""`fissura run --fuse` with a real bundle: what belongs together is fused, what does not is left as it was."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from edge_runtime.sources import open_source
from fissura.cli import main

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(source: str, bundle: Path, out: Path, *more: str) -> list[dict[str, Any]]:
    """The detections of a run."""
    out.unlink(missing_ok=True)
    words = ("--bundle", bundle, "--source", source, "--sink", f"jsonl:{out}", "--threads", "1", "--mission", "m")
    assert main(["run", *map(str, words), *more]) == 0
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def test_photographs_that_have_nothing_to_do_with_each_other_are_not_touched(tmp_path: Path) -> None:
    source, bundle = f"folder:{EXAMPLES / 'images' / 'images'}?downsample=2", EXAMPLES / "bundles" / "tiny"
    single, fused = (
        [(found["frame"]["name"], found["crack"], found["confidence"]) for found in detections]
        for detections in (
            run(source, bundle, tmp_path / "a.jsonl", "--mode", "segmentation"),
            run(source, bundle, tmp_path / "b.jsonl", "--mode", "segmentation", "--fuse", "4"),
        )
    )
    assert single == fused and len({name for name, _, _ in single}) > 2


@pytest.mark.parametrize("method", ["phase", "ecc"])
def test_a_flight_is_fused(
    method: str, bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    source = "synth:?fly=6&count=5&width=160&height=120&seed=2"
    with caplog.at_level(logging.INFO):
        run(source, bundle, tmp_path / "found.jsonl", "--fuse", "4", "--fuse-by", method, "--json")
    assert "fused 4 frames, 1 stood alone" in caplog.text
    summary = json.loads(capsys.readouterr().out)
    assert summary["frames"] == 5 and summary["drops"] == {} and "fuse" in summary["stage_ms"]


def test_frames_stand_alone_unless_asked_for(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("synth:?fly=6&count=2&width=96&height=72", bundle, tmp_path / "found.jsonl", "--json")
    assert "fuse" not in json.loads(capsys.readouterr().out)["stage_ms"]


@pytest.mark.parametrize(
    ("option", "found"),
    [
        (("--fuse", "1"), "fuse: Input should be greater than or equal to 2"),
        (("--fuse", "1000"), "fuse: Input should be less than or equal to 64"),
    ],
)
def test_what_makes_no_sense_is_refused(
    option: tuple[str, str], found: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--bundle", "x", "--source", "synth:", "--sink", f"jsonl:{tmp_path / 'x'}", *option]) == 2
    assert found in capsys.readouterr().err


def test_the_flight_of_the_source_goes_on_after_its_cut() -> None:
    with open_source("synth:?fly=3.5&count=34&width=48&height=32") as source:
        frames = [source.read() for _ in range(35)]
    images = [frame.image for frame in frames[:-1]]  # type: ignore[union-attr]
    assert {image.shape for image in images} == {(32, 48, 3)}
    assert len({image.tobytes() for image in images}) == 34
