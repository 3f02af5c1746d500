from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_runtime import bench
from edge_runtime.local_broker import find_mosquitto
from fissura.cli import main


@pytest.mark.parametrize("with_broker", [True, False])
def test_figures(
    bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, with_broker: bool
) -> None:
    if with_broker and find_mosquitto() is None:
        pytest.skip("mosquitto is not installed: sudo apt-get install mosquitto")
    if not with_broker:
        monkeypatch.setattr(bench, "find_mosquitto", lambda: None)
    assert main(["bench", str(bundle), "--frames", "12", "--pairs", "3", "--size", "96x72", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert 0 < figures["eta"] < 1.5
    assert figures["eta"] == pytest.approx(figures["end_to_end_fps"] / figures["engine_fps"], rel=0.8)
    assert (figures["frames"], figures["drops"], figures["sink_errors"], figures["pairs"]) == (12, 0, 0, 3)
    for name in ("engine_ms", "frame_ms"):
        assert 0 < figures[name]["p50"] <= figures[name]["p90"] <= figures[name]["p99"] <= figures[name]["p999"]
    assert figures["frame_ms"]["p50"] > figures["stage_ms"]["fused"]["p50"]
    assert figures["rss_mb"] > 10
    if with_broker:
        assert figures["published"] == figures["detections"]
        assert figures["acknowledged"] >= figures["published"]
    else:
        assert figures["published"] is None


def test_for_a_person(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", str(bundle), "--frames", "2", "--pairs", "1", "--size", "96x72"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("eta ") and "p99.9" in out and "fused" in out


def test_options_of_the_engine(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["bench", str(bundle), "--frames", "2", "--pairs", "1", "--size", "96x72", "--json"]
    assert main([*command, "--engine-option", "threads=2", "--engine-option", "device=cpu"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["threads"] == 2 and figures["engine_options"] == {"device": "cpu"}
    assert main([*command, "--engine-option", "cuda_graph=false"]) == 2
    assert "cuda_graph" in capsys.readouterr().err


@pytest.mark.parametrize("size", ["96", "0x10", "96x99999", "axb"])
def test_a_size_that_is_none(bundle: Path, size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["bench", str(bundle), "--size", size])
    assert caught.value.code == 2
    assert "WIDTHxHEIGHT" in capsys.readouterr().err
