"""A model that does harm ends its own process, and is refused for what it did."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import psutil
import pytest

from edge_runtime.golden import FILE
from edge_runtime.process_group import kill_group
from edge_runtime.run.config import RunConfig
from edge_runtime.updates.guardrails import TrialConfig
from edge_runtime.updates.trial import child
from edge_runtime.updates.trial.child import TrialProcess
from edge_runtime.updates.trial.messages import Task
from edge_runtime.updates.trial.trial import ProcessTrial, Running
from fissura.bundle import read_manifest
from fissura.config import parse_config
from fissura.errors import DeferredError, RejectedError, UpdateError
from tests.edge_runtime.proven import WRONG_STEEPNESS, list_files, make_proven_bundle, set_steepness
from tests.edge_runtime.updates import harmful
from tests.edge_runtime.updates.harmful import point_elsewhere
from tests.mosquitto import wait_until

X86 = platform.machine() in ("x86_64", "AMD64")
Try = Callable[..., dict[str, float]]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model that runs."""
    return make_proven_bundle(tmp_path_factory.mktemp("good") / "bundle", variants=())


@pytest.fixture
def candidate(tmp_path: Path) -> Path:
    """One that may become worse."""
    return make_proven_bundle(tmp_path / "candidate", variants=())


def running(bundle: Path, size: tuple[int, int] | None = (96, 72)) -> Running:
    settings = {"bundle": bundle, "source": "synth:", "sink": "jsonl:x", "threads": 1}
    return Running(parse_config(RunConfig, settings, origin="test"), size)


@pytest.fixture
def attempt(good: Path) -> Try:
    def attempt(bundle: Path, stopping: threading.Event | None = None, **limits: object) -> dict[str, float]:
        config = TrialConfig.model_validate({"frames": 5, "niceness": 0, "memory_mb": 1500, **limits})
        return dict(ProcessTrial(config, lambda: running(good)).run(bundle, stopping or threading.Event()))

    return attempt


def test_a_good_model_passes_and_is_measured(attempt: Try, candidate: Path) -> None:
    figures = attempt(candidate)
    assert figures["golden_iou"] > 0.95 and figures["running_iou"] > 0.95
    assert 0 < figures["p50_ms"] <= figures["p99_ms"] and figures["memory_mb"] > 10
    with pytest.raises(RejectedError, match="latency: 99th percentile"):
        attempt(candidate, p99_ms=1e-3)


def test_what_its_golden_frames_do_not_say_is_refused(attempt: Try, candidate: Path) -> None:
    set_steepness(candidate / "segmentation.onnx", WRONG_STEEPNESS)
    list_files(candidate, read_manifest(candidate))
    with pytest.raises(RejectedError, match="golden: graph segmentation differs by"):
        attempt(candidate)


def test_a_model_that_is_proud_of_seeing_nothing_is_refused(attempt: Try, candidate: Path, good: Path) -> None:
    set_steepness(candidate / "segmentation.onnx", 1e-3)  # one half everywhere, below a threshold of 0.6
    manifest = read_manifest(candidate)
    graph = manifest.graphs["segmentation"].model_copy(update={"threshold": 0.6})
    with np.load(candidate / FILE) as arrays:
        changed = {
            name: np.full_like(array, 128) if name.endswith("/output") else array for name, array in arrays.items()
        }
    np.savez_compressed(candidate / FILE, **changed)
    list_files(candidate, manifest.model_copy(update={"graphs": {"segmentation": graph}}))
    with pytest.raises(RejectedError, match="golden: mask IoU with the golden frames of what runs 0"):
        attempt(candidate)


def test_weights_in_another_file_are_refused(attempt: Try, candidate: Path) -> None:
    path = candidate / "segmentation.onnx"
    model = onnx.load(path)
    point_elsewhere(model.graph.initializer[0])
    path.write_bytes(model.SerializeToString())
    list_files(candidate, read_manifest(candidate))
    with pytest.raises(RejectedError, match=r"external-data: segmentation\.onnx takes weights from other files"):
        attempt(candidate)


@pytest.mark.parametrize("gigabytes", [80, pytest.param(2.5, marks=pytest.mark.slow)])
def test_a_graph_that_eats_memory_is_ended_and_the_run_is_not(attempt: Try, candidate: Path, gigabytes: float) -> None:
    """The large one is refused by the system, the small one is ended by the watcher."""
    harmful.eat_memory(candidate, gigabytes)
    with pytest.raises(RejectedError, match="memory: "):
        attempt(candidate, memory_mb=700)
    assert psutil.Process().memory_info().rss < 2e9 and not psutil.Process().children()


def test_a_device_without_memory_condemns_no_model(
    attempt: Try, candidate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "free_bytes", lambda: 3e8)
    with pytest.raises(DeferredError, match="memory: 300 MB are free"):
        attempt(candidate, memory_mb=None)
    assert not psutil.Process().children()


def test_what_was_free_in_one_moment_condemns_no_model(
    attempt: Try, candidate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a limit in the file: interrupted, which is counted, and not rejected for ever."""
    harmful.eat_memory(candidate, 80)
    monkeypatch.setattr(child, "free_bytes", lambda: 1.4e9)
    with pytest.raises(UpdateError, match="memory: ") as raised:
        attempt(candidate, memory_mb=None)
    assert not isinstance(raised.value, RejectedError)


def test_a_graph_that_never_ends_is_ended(attempt: Try, candidate: Path) -> None:
    harmful.take_long(candidate, 10**15)
    began_s = time.monotonic()
    with pytest.raises(RejectedError, match="timeout: "):
        attempt(candidate, time_s=4)
    assert time.monotonic() - began_s < 60 and not psutil.Process().children()


@pytest.mark.skipif(not X86, reason="no trap on this processor")
def test_a_graph_that_crashes_its_library_is_refused(attempt: Try, candidate: Path) -> None:
    harmful.crash_in_glare(candidate)
    with np.load(candidate / FILE) as arrays:
        glare = {name: np.full_like(array, 255) if name.endswith("/frame") else array for name, array in arrays.items()}
    np.savez_compressed(candidate / FILE, **glare)
    list_files(candidate, read_manifest(candidate))
    with pytest.raises(RejectedError, match="crash: the trial process ended with signal SIGFPE"):
        attempt(candidate)


@pytest.mark.slow
def test_golden_frames_that_unpack_to_more_than_there_is_are_refused(attempt: Try, candidate: Path) -> None:
    """A few bytes that say: half a terabyte of pixels."""
    header = b"\x93NUMPY\x01\x00" + (text := _npy_header((400_000, 400_000, 3)))[:0]
    header += len(text).to_bytes(2, "little") + text
    with zipfile.ZipFile(candidate / FILE, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("segmentation/9/frame.npy", header + bytes(1000))
    list_files(candidate, read_manifest(candidate))
    with pytest.raises(RejectedError, match=r"memory: |bundle: golden frames"):
        attempt(candidate)


def _npy_header(shape: tuple[int, ...]) -> bytes:
    text = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    return text.ljust(117).encode() + b"\n"


def _process(bundle: Path, stopping: threading.Event) -> TrialProcess:
    task = Task(kind="shadow", config=running(bundle).task_config(bundle))
    return TrialProcess(task, 1500, limits_address_space=True, stopping=stopping)


def test_a_killed_trial_is_a_crash_and_leaves_nobody_behind(good: Path) -> None:
    real_time = signal.SIGRTMIN + 2  # has no name
    for number, words in ((signal.SIGSEGV, "crash: .* SIGSEGV"), (real_time, f"crash: .* signal {real_time}")):
        with pytest.raises(RejectedError, match=words):
            _kill(good, number)


def test_a_trial_that_the_kernel_killed_says_nothing_for_certain(good: Path) -> None:
    """Who took the memory is not known: it is tried again."""
    with pytest.raises(UpdateError, match=r"memory: .* was killed") as raised:
        _kill(good, signal.SIGKILL)
    assert not isinstance(raised.value, RejectedError)


def test_its_group_is_ended_before_another_can_have_its_number(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there: list[bool] = []

    def kill(group: int) -> None:
        there.append(psutil.pid_exists(group))
        kill_group(group)

    monkeypatch.setattr(child, "kill_group", kill)
    with pytest.raises(RejectedError):
        _kill(good, signal.SIGSEGV)
    assert there and all(there)


def _kill(bundle: Path, number: int) -> None:
    with _process(bundle, threading.Event()) as process:
        killing = threading.Timer(0.5, os.kill, (process.pid, number))
        killing.start()
        try:
            process.answer(60)
            process.look(np.zeros((72, 96, 3), np.uint8), 60)
            killing.join()
            process.look(np.zeros((72, 96, 3), np.uint8), 60)
        finally:
            process.close()
            assert not psutil.pid_exists(process.pid)


def test_a_stopped_trial_has_no_outcome(attempt: Try, candidate: Path) -> None:
    harmful.take_long(candidate, 10**15)
    stopping = threading.Event()
    threading.Timer(1.5, stopping.set).start()
    assert attempt(candidate, stopping, time_s=300) == {}
    assert wait_until(lambda: not psutil.Process().children())


def test_the_trial_ends_with_the_run(candidate: Path) -> None:
    """Also where the run has no time for an orderly end."""
    harmful.take_long(candidate, 10**15)
    script = (
        "import sys, threading; from pathlib import Path\n"
        "from tests.edge_runtime.updates.trial.test_trial import _process\n"
        "p = _process(Path(sys.argv[1]), threading.Event()); print(p.pid, flush=True); p.answer(300)"
    )
    run = subprocess.Popen([sys.executable, "-c", script, str(candidate)], stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None
    trial = int(run.stdout.readline())
    assert psutil.pid_exists(trial)
    run.kill()
    run.wait()
    run.stdout.close()
    assert wait_until(lambda: not psutil.pid_exists(trial))


def test_an_image_that_promises_a_billion_pixels_is_refused(tmp_path: Path) -> None:
    """In a process of its own: the limit counts from when OpenCV is loaded."""
    ihdr = b"IHDR" + (30_000).to_bytes(4, "big") * 2 + bytes((8, 2, 0, 0, 0))
    idat = b"IDAT" + zlib.compress(bytes(1000))
    chunks = b"".join(
        (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
        for chunk in (ihdr, idat, b"IEND")
    )
    (tmp_path / "giant.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    script = (
        "import sys; from pathlib import Path; from fissura.errors import ImageError;"
        "from fissura.imaging.images import read_rgb\n"
        "try: read_rgb(Path(sys.argv[1]))\n"
        "except ImageError as error: print(error.found)"
    )
    words = [sys.executable, "-c", script, str(tmp_path / "giant.png")]
    environment = {name: value for name, value in os.environ.items() if name != "OPENCV_IO_MAX_IMAGE_PIXELS"}
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, env=environment)
    assert "CV_IO_MAX_IMAGE_PIXELS" in done.stdout, done
