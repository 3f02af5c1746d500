"""The side-by-side benchmark, on tiny graphs: what its peers measure of themselves, and what is made of it."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from edge_runtime.local_broker import LocalBroker, find_mosquitto
from fissura.errors import EngineError
from fissura.imaging.images import write_rgb
from tests.bundles import THRESHOLD, make_bundle
from tests.edge_runtime.conftest import HEIGHT, WIDTH, pavement

FOLDER = Path(__file__).parents[2] / "benchmarks" / "runtime"
MODULES = ("stopwatch", "bare", "clip", "ask", "costs", "table", "peers", "peer_plain")
FRAMES = 24
SIZE = ("--size", f"{WIDTH}x{HEIGHT}")
CRACKS = 2  # in each


@pytest.fixture(scope="module")
def runtime() -> Iterator[Any]:
    """The modules of the benchmark, which lie beside its scripts and in no package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        before = {name: sys.modules.pop(name, None) for name in MODULES}
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in MODULES})
        for name, module in before.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundle"), roles=("segmentation",))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, runtime: Any) -> Path:
    """Pavement with two cracks, which survive the codec."""
    folder = tmp_path_factory.mktemp("clip")
    images = [folder / f"{seed}.png" for seed in range(3)]
    for seed, path in enumerate(images):
        write_rgb(path, pavement(seed))
    runtime.clip.write_clip(folder / "road.mp4", images, FRAMES, (WIDTH, HEIGHT))
    return folder / "road.mp4"


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    if find_mosquitto() is None:
        pytest.skip("mosquitto is not installed: sudo apt-get install mosquitto")
    with LocalBroker(tmp_path) as broker:
        yield broker.port


def answer(script: str, *words: object) -> dict[str, Any]:
    command = [sys.executable, str(FOLDER / script), *map(str, words), "--seconds", "0.2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def check_figures(found: dict[str, Any], warm_up: int) -> None:
    assert found["frames"] == FRAMES - warm_up
    assert found["fps"] > 0 and found["engine_fps"] > 0 and found["cpu_ms"] > 0 and found["rss_mb"] > 20
    for key in ("frame_ms", "engine_ms"):
        assert 0 < found[key]["p50"] <= found[key]["p90"] <= found[key]["p99"]
    assert found["versions"]["onnxruntime"]


def test_the_command_is_measured_with_all_on(bundle: Path, clip: Path, port: int, tmp_path: Path, runtime: Any) -> None:
    found = answer("peer_fissura.py", bundle, clip, port, tmp_path, *SIZE)
    check_figures(found, runtime.stopwatch.WARM_UP)
    assert found["cracks"] == found["published"] == CRACKS * FRAMES
    assert found["acknowledged"] >= found["published"]
    assert (found["left_in_spool"], found["drops"]) == (0, {})
    assert (tmp_path / "spool.sqlite").exists()


def test_the_plain_loop_finds_and_sends_the_same_cracks(bundle: Path, clip: Path, port: int, runtime: Any) -> None:
    found = answer("peer_plain.py", bundle / "segmentation.onnx", clip, port, "--threshold", THRESHOLD, *SIZE)
    check_figures(found, runtime.stopwatch.WARM_UP)
    assert found["cracks"] == CRACKS * FRAMES
    assert found["published"] == found["acknowledged"] == FRAMES


def test_the_clip_repeats_the_images(clip: Path) -> None:
    video = cv2.VideoCapture(str(clip))
    frames = []
    while (read := video.read())[0]:
        frames.append(read[1].astype(float))
    assert [frame.shape for frame in frames] == [(HEIGHT, WIDTH, 3)] * FRAMES
    again, other = np.abs(frames[3] - frames[0]).mean(), np.abs(frames[1] - frames[0]).mean()
    assert again < other / 2


def test_the_stopwatch_counts_from_the_last_of_the_warm_up(runtime: Any) -> None:
    stopwatch = runtime.stopwatch.Stopwatch()
    for number in range(runtime.stopwatch.WARM_UP + 4):
        time.sleep(0.05 if number < runtime.stopwatch.WARM_UP else 0.01)
        stopwatch.press()
    time.sleep(0.2)  # for the last acknowledgement
    found = stopwatch.stop()
    assert found["frames"] == 4
    assert found["frame_ms"]["p50"] >= 10
    assert found["fps"] <= 4 / 0.24


def test_ratios_are_taken_within_a_round(runtime: Any) -> None:
    def figures(fps: float, engine_fps: float) -> dict[str, Any]:
        times = {"p50": 1.0, "p90": 2.0, "p99": 3.0}
        more = {"frames": 10, "cracks": 40, "cpu_ms": 5.0, "rss_mb": 99.0, "versions": {"python": "3"}}
        return {"fps": fps, "engine_fps": engine_fps, "frame_ms": times, "engine_ms": times, **more}

    rounds = [
        {"fissura": figures(9, 10), "plain loop": figures(10, 10)},
        {"fissura": figures(4, 5), "plain loop": figures(5, 5)},  # the machine was busy
        {"fissura": figures(8, 10), "plain loop": figures(8, 10)},
    ]
    found = runtime.peers._summary("fissura", rounds)
    assert (found["eta"], found["fps_by_plain_loop"], found["fps"]) == (0.8, 0.9, 8)
    assert found["cracks_a_frame"] == 2
    page = runtime.table.markdown(
        {
            "command": "python peers.py",
            "processor": "CPU, 2 cores",
            "threads": 1,
            "made_utc": "2026-01-02T03:04:05+00:00",
            "frame_px": [480, 320],
            "rounds": 3,
            "data": "cfd",
            "bundles": [
                {
                    "bundle": "light",
                    "warm_up": 10,
                    "ultralytics_network": "yolo11-n",
                    "ultralytics_ms": 20.0,
                    "ms": 21.0,
                    "peers": {"fissura": found},
                }
            ],
        }
    )
    assert "| fissura | 8.00 | 10.00 | 0.800 | 0.900 | 1.0 | 3.0 | 3.00 | 3.00 | 5.0 | 99 |" in page
    assert "yolo11-n of 20 ms" in page


def test_a_rate_with_losses_does_not_count(runtime: Any) -> None:
    peer, frames = runtime.peers.Peer("fissura", ("python",)), runtime.stopwatch.WARM_UP + 5
    good = {"frames": 5, "published": 3, "acknowledged": 4, "left_in_spool": 0, "drops": {}}
    runtime.peers._check(peer, good, frames)
    for change in ({"acknowledged": 2}, {"left_in_spool": 1}, {"drops": {"failed": 1}}, {"frames": 4}):
        with pytest.raises(EngineError, match="lost"):
            runtime.peers._check(peer, good | change, frames)


def test_what_a_script_says_when_it_fails(runtime: Any) -> None:
    with pytest.raises(EngineError, match=r"bare\.py ended with code 2: (.|\n)*the following arguments are required"):
        runtime.ask.ask([sys.executable, "bare.py"])


def test_an_environment_that_is_not_there(runtime: Any, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"environment\.py"):
        runtime.costs.networks_of(tmp_path / "bin" / "python", tmp_path, "480x320")


def test_the_cost_of_an_engine(runtime: Any, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime.costs, "ROUNDS", 1)
    model = bundle / "segmentation.onnx"
    assert 0 < runtime.costs.costs_of([model], 1, "96x72")[model] < 1000
