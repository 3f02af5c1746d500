from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import pytest

from edge_runtime.bench import rig
from edge_runtime.local_broker import find_mosquitto
from fissura.cli import main
from fissura.imaging.images import write_rgb
from tests.edge_runtime.conftest import pavement

SMALL = ("--frames", "12", "--pairs", "3", "--size", "96x72")
PERCENTILES = ("p50", "p90", "p99", "p999")


@pytest.fixture(autouse=True)
def settings_of_the_process() -> Iterator[None]:
    """The command sets what belongs to the process."""
    interval, threads = sys.getswitchinterval(), cv2.getNumThreads()
    yield
    sys.setswitchinterval(interval)
    cv2.setNumThreads(threads)


def measured(capsys: pytest.CaptureFixture[str], *command: str | Path) -> dict[str, Any]:
    assert main(["bench", *map(str, command), "--json"]) == 0
    figures: dict[str, Any] = json.loads(capsys.readouterr().out)
    return figures


@pytest.mark.parametrize("with_broker", [True, False])
def test_figures(
    bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, with_broker: bool
) -> None:
    if with_broker and find_mosquitto() is None:
        pytest.skip("mosquitto is not installed: sudo apt-get install mosquitto")
    if not with_broker:
        monkeypatch.setattr(rig, "find_mosquitto", lambda: None)
    threads = set(threading.enumerate())
    figures = measured(capsys, bundle, *SMALL, *(() if with_broker else ("--no-cold-start",)))
    assert set(threading.enumerate()) <= threads, "every thread ends with the command"
    etas = figures["scenarios"]["throughput"]["etas"]
    assert len(etas) == 3 and figures["eta"] == median(etas) > 0
    # However far the rounds are apart: the medians' ratio is among the ratios, but for rounding.
    assert min(etas) * 0.99 <= figures["end_to_end_fps"] / figures["engine_fps"] <= max(etas) * 1.01
    assert (figures["frames"], figures["drops"], figures["sink_errors"], figures["rounds"]) == (24, {}, 0, 3)
    for name in ("engine_ms", "frame_ms", *(("capture_to_ack_ms",) if with_broker else ())):
        values = [figures[name][percentile] for percentile in PERCENTILES]
        assert values[0] > 0 and values == sorted(values), name
    assert figures["frame_ms"]["p50"] > figures["stage_ms"]["fused"]["p50"]
    assert figures["scenarios"].keys() == {"throughput", "singlestream"}
    assert figures["latencies_of"] == "singlestream" and figures["rates_of"] == "throughput"
    assert len(figures["scenarios"]["throughput"]["host_cpus_ms"]) == 3
    assert "exit" not in figures["stage_ms"]
    assert 10 < figures["rss_mb"] <= figures["peak_rss_mb"] * 1.01
    if with_broker:
        assert figures["published"] == figures["acknowledged"] == figures["detections"] > 0
        assert figures["versions"]["mosquitto"]
        cold = figures["cold_start"]
        order = [cold[name] for name in ("import_s", "bundle_s", "engine_s", "result_s", "ack_s")]
        assert order[0] > 0 and order == sorted(order)
        assert cold["first_inference_ms"] > 0
    else:
        assert figures["published"] is figures["acknowledged"] is None
        assert figures["capture_to_ack_ms"] == {} and figures["output"] == "file"
        assert figures["cold_start"] is None


def test_one_scenario_has_rates_and_latencies(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = measured(capsys, bundle, *SMALL, "--no-cold-start", "--scenario", "singlestream")
    assert figures["frames"] == 12 and list(figures["scenarios"]) == ["singlestream"]
    assert figures["eta"] > 0 and figures["rates_of"] == figures["latencies_of"] == "singlestream"


def test_for_a_person_and_as_files(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, report = tmp_path / "page.html", tmp_path / "report.md"
    assert main(["bench", str(bundle), *SMALL, "--html", str(page), "--markdown", str(report)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("throughput: eta ") and "p99.9" in out and "fused" in out and "cold start: " in out
    assert "p99.9 is hardly below the slowest" in out, "of 12 frames"
    html = page.read_text()
    assert html.count("<svg") == 3 and "<polyline" in html and "http" not in html and "src=" not in html
    assert "| bare engine |" in report.read_text() and "--frames=12" in report.read_text()


def test_frames_of_a_folder(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for seed in range(3):
        write_rgb(tmp_path / f"{seed}.png", pavement(seed, width=80, height=64))
    (tmp_path / "notes.txt").write_text("no image")
    few = ("--frames", "4", "--pairs", "1", "--no-cold-start", "--scenario", "throughput")
    figures = measured(capsys, bundle, *few, "--frames-from", tmp_path)
    assert figures["frame_px"] == [80, 64]
    assert figures["frames_from"] == f"3 images of {tmp_path.parent.name}/{tmp_path.name}"
    assert figures["detections"] >= 4
    assert main(["bench", str(bundle), *few, "--frames-from", str(tmp_path), "--size", "96x72"]) == 2
    assert "--size and --frames-from" in capsys.readouterr().err
    write_rgb(tmp_path / "3.png", pavement(0, width=96, height=72))
    assert main(["bench", str(bundle), *few, "--frames-from", str(tmp_path)]) == 2
    assert "3.png is 96x72 pixels, 0.png is 80x64" in capsys.readouterr().err
    assert main(["bench", str(bundle), *few, "--frames-from", str(tmp_path / "nowhere")]) == 2
    assert "nowhere cannot be read" in capsys.readouterr().err


def test_options_of_the_engine(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ("bench", str(bundle), "--frames", "2", "--pairs", "1", "--size", "96x72", "--no-cold-start")
    figures = measured(capsys, *command[1:], "--engine-option", "threads=2", "--engine-option", "device=cpu")
    assert figures["threads"] == 2 and figures["engine_options"] == {"device": "cpu"}
    assert "--engine-option=device=cpu" in figures["flags"]
    assert main([*command, "--engine-option", "cuda_graph=false"]) == 2
    assert "cuda_graph" in capsys.readouterr().err
    assert main([*command, "--precision", "int8-cpu"]) == 2
    assert "no graph in int8-cpu" in capsys.readouterr().err


@pytest.mark.parametrize("size", ["96", "0x10", "96x99999", "axb"])
def test_a_size_that_is_none(bundle: Path, size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["bench", str(bundle), "--size", size])
    assert caught.value.code == 2
    assert "WIDTHxHEIGHT" in capsys.readouterr().err


def test_nothing_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench"]) == 2
    assert "no bundle" in capsys.readouterr().err
