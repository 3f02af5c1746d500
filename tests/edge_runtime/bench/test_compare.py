from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fissura.cli import main

RESULT: dict[str, Any] = {
    "eta": 0.9,
    "engine_fps": 50.0,
    "end_to_end_fps": 45.0,
    "host_cpu_ms": 2.0,
    "engine_ms": {"p50": 20.0, "p90": 21.0, "p99": 22.0, "p999": 23.0},
    "frame_ms": {"p50": 22.0, "p90": 23.0, "p99": 24.0, "p999": 25.0},
    "capture_to_ack_ms": {},
    "rss_mb": 100.0,
    "threads": 1,
    "frame_px": [480, 320],
    "processor": "this",
}


def write(path: Path, **changes: object) -> str:
    path.write_text(json.dumps({**RESULT, **changes}))
    return str(path)


def test_ratios(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    faster = {name: value / 2 for name, value in RESULT["frame_ms"].items()}
    files = [write(tmp_path / "a.json"), write(tmp_path / "b.json", end_to_end_fps=90.0, frame_ms=faster)]
    assert main(["bench", "--compare", *files, "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert compared["ratios"]["end_to_end_fps"] == {"a": 45.0, "b": 90.0, "b_by_a": 2.0}
    assert compared["ratios"]["frame_ms p99"]["b_by_a"] == 0.5
    assert not any(name.startswith("capture_to_ack_ms") for name in compared["ratios"]), "neither has it"
    assert compared["differing"] == {}
    assert main(["bench", "--compare", *files]) == 0
    out = capsys.readouterr().out
    assert "2.000" in out and "warning" not in out


def test_differing_conditions_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [write(tmp_path / "a.json"), write(tmp_path / "b.json", threads=2, processor="that")]
    assert main(["bench", "--compare", *files]) == 0
    out = capsys.readouterr().out
    assert "warning" in out and "threads: 1 / 2" in out and "processor: this / that" in out
    assert "frame_px: " not in out


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"eta": 1}', "no json"])
def test_what_is_no_result(tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "b.json").write_text(text)
    assert main(["bench", "--compare", write(tmp_path / "a.json"), str(tmp_path / "b.json")]) == 2
    assert "fissura bench --json" in capsys.readouterr().err
    assert main(["bench", "--compare", write(tmp_path / "a.json"), str(tmp_path / "nowhere.json")]) == 2


def test_a_bundle_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = write(tmp_path / "a.json")
    assert main(["bench", "bundle", "--compare", result, result]) == 2
    assert "--compare measures nothing" in capsys.readouterr().err
