"""What goes wrong on a vehicle, with real processes: the engine says so, falls back, and leaves nothing behind."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from edge_runtime.engines.tensorrt.engine import TensorRtEngine
from edge_runtime.inference import open_inference
from edge_runtime.model import model_of
from edge_runtime.sinks import open_sink
from edge_runtime.sinks.mqtt import MqttSink
from edge_runtime.sinks.sink import SinkContext
from fissura.bundle import Graph, load_bundle
from fissura.cli import main
from fissura.errors import EngineError, MissingDependencyError
from tests.bundles import make_bundle
from tests.edge_runtime.engines.tensorrt.conftest import MODULES, Vendor, pixels, reference
from tests.edge_runtime.engines.tensorrt.graphs import write_graph

Small = tuple[Path, Graph]


def _assert_falls_back(engine: TensorRtEngine, graph: Small, reason: str) -> None:
    image = pixels(1, 72, 96, 3)
    np.testing.assert_array_equal(engine.run(image), reference(*graph).run(image))
    engine.submit(image)
    with pytest.raises(EngineError, match="1 batches are in flight"):
        engine.run(image)
    np.testing.assert_array_equal(engine.collect(), reference(*graph).run(image))
    with pytest.raises(EngineError, match="no batch is in flight"):
        engine.collect()
    assert engine.name.startswith("onnxruntime-cpu ") and reason in engine.name and "\n" not in engine.name
    engine.close()


def _builders() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if "tensorrt.build" in str(child.cmdline())]


@pytest.mark.parametrize(
    ("fault", "options", "reason"),
    [
        ("parse", {}, "cannot be loaded: node node_conv2d (Conv): Assertion failed: no importer"),
        ("start", {}, "TensorRT does not start: Error Code 2"),
        ("refuse", {}, "Could not find any implementation"),
        ("raise", {}, "RuntimeError: Failed to allocate resources"),
        ("crash", {}, "ended with signal SIGKILL"),
        ("hang", {"build_time_s": 1.5}, "took longer than 1.5 s"),
        ("eat", {"build_memory_mb": 450}, "MB of memory"),
        ("unloadable", {}, "does not load what it has just built"),
        ("damage", {}, "TensorRT does not load"),
    ],
)
def test_a_build_that_fails(
    vendor: Vendor,
    small: Small,
    fault: str,
    options: dict[str, object],
    reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    vendor.use(fault=fault)
    began = time.monotonic()
    with caplog.at_level(logging.WARNING):
        engine = vendor.open(*small, fallback=True, **options)
    assert time.monotonic() - began < 20
    assert "in ONNX Runtime instead of TensorRT" in caplog.text and reason in caplog.text
    _assert_falls_back(engine, small, reason[:20])
    assert _builders() == []
    if fault != "damage":  # which is found after the build
        assert not vendor.plans() and not list(vendor.cache.glob("*.json"))
    assert not list(vendor.cache.glob(".*")), "nothing half-built stays"


def test_without_fallback_it_is_an_error(vendor: Vendor, small: Small) -> None:
    vendor.use(fault="crash")
    with pytest.raises(EngineError, match="SIGKILL"):
        vendor.open(*small, fallback=False)


@pytest.mark.parametrize(("kind", "version"), [("fp16", "11.4.0.106"), ("int8", "10.3.0"), ("fp16", "8.6.1")])
@pytest.mark.parametrize("fault", ["fp32", "silent"])
def test_a_plan_in_another_precision_than_asked(
    vendor: Vendor, tmp_path: Path, kind: str, version: str, fault: str
) -> None:
    vendor.use(version, fault)
    path, graph = write_graph(tmp_path, kind)  # type: ignore[arg-type]
    with pytest.raises(EngineError, match="convolutions came out in"):
        vendor.open(path, graph)
    assert vendor.plans() == []


def test_an_fp32_graph_under_the_name_of_fp16(vendor: Vendor, tmp_path: Path) -> None:
    path, graph = write_graph(tmp_path, "fp32")
    with pytest.raises(EngineError, match="none of 2 convolutions came out in fp16"):
        vendor.open(path, graph.model_copy(update={"precision": "fp16"}))


@pytest.mark.parametrize(
    ("update", "reason"),
    [
        ({"version": "11.3.0.99"}, "built for TensorRT 11.4.0.106, this is 11.3.0.99"),
        ({"FAKE_GPU_NAME": "Thor"}, "built for GPU Fake Orin 8.7, this is Thor 8.7"),
        ({"FAKE_GPU_CAPABILITY": "11.0"}, "this is Fake Orin 11.0"),
    ],
)
def test_another_library_or_gpu_builds_anew(
    warm: Vendor, small: Small, update: dict[str, str], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    warm.use(**update)
    with caplog.at_level(logging.INFO):
        warm.open(*small).close()
    assert reason in caplog.text
    assert len(warm.plans()) == 1
    warm.use(**update, fault="crash")
    warm.open(*small).close()  # and is found the next time


@pytest.mark.parametrize("what", ["plan", "truncated", "json", "no json"])
def test_a_damaged_cache_builds_anew(warm: Vendor, small: Small, what: str) -> None:
    (plan,) = warm.plans()
    whole, sidecar = plan.read_bytes(), plan.with_suffix(".json")
    if what == "plan":
        plan.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    elif what == "truncated":
        plan.write_bytes(whole[:100])
    elif what == "json":
        sidecar.write_text('{"key"')
    else:
        sidecar.unlink()
    warm.open(*small).close()
    assert plan.read_bytes() == whole


def test_a_plan_that_no_longer_loads_is_built_once_more(
    warm: Vendor, small: Small, caplog: pytest.LogCaptureFixture
) -> None:
    warm.use(fault="damage")
    with pytest.raises(EngineError, match="does not load"):
        warm.open(*small)
    assert caplog.text.count("it is built again") == 1


@pytest.mark.parametrize("cuda", ["cuda-python", "pycuda"])
def test_not_enough_memory_on_the_gpu(warm: Vendor, small: Small, cuda: str) -> None:
    warm.use(FAKE_GPU_MEMORY_MB="1.06")  # the activations fit, the buffers do not
    _assert_falls_back(warm.open(*small, fallback=True, cuda=cuda), small, "out of memory")
    assert len(warm.plans()) == 1  # the plan itself is good


def test_two_contexts_where_there_is_memory_for_one(warm: Vendor, small: Small) -> None:
    warm.use(FAKE_GPU_MEMORY_MB="1.5")
    warm.open(*small).close()
    with pytest.raises(EngineError, match="out of memory"):
        warm.open(*small, contexts=2)


def test_a_batch_that_fails_on_the_gpu(warm: Vendor, small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    import tensorrt  # type: ignore[import-not-found]

    engine = warm.open(*small, contexts=2)
    image = pixels(1, 72, 96, 3)
    for fails in (True, False, True, True, False):
        monkeypatch.setattr(tensorrt, "FAULT", "run" if fails else "")
        if fails:
            with pytest.raises(EngineError, match=r"cannot run a batch of shape .*out of memory"):
                engine.run(image)
        else:
            np.testing.assert_array_equal(engine.run(image), reference(*small).run(image))
    engine.close()


@pytest.mark.parametrize("at", ["capture", "instantiation"])
def test_work_that_cannot_be_recorded_is_done_all_the_same(
    warm: Vendor, small: Small, at: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    engine, truth = warm.open(*small), reference(*small)
    if at == "capture":
        import tensorrt

        monkeypatch.setattr(tensorrt, "FAULT", "record")
    else:
        from cuda.bindings import runtime  # type: ignore[import-not-found]

        refused = runtime.cudaError_t.cudaErrorInvalidValue, None
        monkeypatch.setattr(runtime, "cudaGraphInstantiate", lambda *_: refused)
    for seed in range(4):
        for width in (96, 48):
            image = pixels(1, 72, width, 3, seed=seed)
            np.testing.assert_array_equal(engine.run(image), truth.run(image))
    assert caplog.text.count("no CUDA graph can be recorded") == 1
    assert warm.gpu().launches == 0
    engine.close()


def test_a_plan_that_cannot_run_at_all(warm: Vendor, small: Small) -> None:
    warm.use(fault="run")
    _assert_falls_back(warm.open(*small, fallback=True), small, "cannot run a batch")


@pytest.mark.parametrize("cuda", ["cuda-python", "pycuda"])
def test_no_gpu(vendor: Vendor, small: Small, cuda: str) -> None:
    vendor.use(FAKE_GPU_COUNT="0")
    _assert_falls_back(vendor.open(*small, fallback=True, cuda=cuda), small, "(no tensorrt: ")
    with pytest.raises(MissingDependencyError, match="no GPU") as caught:
        vendor.open(*small, cuda=cuda)
    assert caught.value.found


@pytest.mark.parametrize("missing", ["tensorrt", "cuda.bindings", "pycuda"])
def test_a_library_that_is_not_installed(
    vendor: Vendor, small: Small, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)  # importing it now fails
    cuda = "pycuda" if missing == "pycuda" else "cuda-python"
    with pytest.raises(MissingDependencyError, match="cannot be imported") as caught:
        vendor.open(*small, cuda=cuda)
    assert "pip install" in caught.value.fix
    _assert_falls_back(vendor.open(*small, cuda=cuda, fallback=True), small, "cannot be imported")


def test_a_library_that_is_too_old(vendor: Vendor, small: Small) -> None:
    vendor.use("8.5.2")
    with pytest.raises(EngineError, match=r"TensorRT is 8\.5\.2"):
        vendor.open(*small)


def test_a_cache_that_cannot_be_written(vendor: Vendor, small: Small, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    _assert_falls_back(vendor.open(*small, cache=tmp_path / "file" / "cache", fallback=True), small, "cannot be kept")


def test_the_building_process_ends_with_its_parent(vendor: Vendor, small: Small) -> None:
    vendor.use(fault="hang")
    code = f"""
        from pathlib import Path
        from edge_runtime.engines.tensorrt.config import TensorRtConfig
        from edge_runtime.engines.tensorrt.engine import TensorRtEngine
        from fissura.bundle import read_manifest
        path = Path({str(small[0])!r})
        graph = read_manifest(path.parent).graphs["segmentation"]
        TensorRtEngine(path, graph, TensorRtConfig(cache={str(vendor.cache)!r}))
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)])
    builders: list[psutil.Process] = []
    end = time.monotonic() + 20
    while not builders and time.monotonic() < end:
        builders = _builders()
        time.sleep(0.05)
    (builder,) = builders
    time.sleep(1)  # until it is at work
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    assert psutil.wait_procs([builder], timeout=10)[1] == []
    assert vendor.plans() == [] and len(list(vendor.cache.glob(".building-*"))) == 1
    vendor.use()
    vendor.open(*small).close()
    assert len(vendor.plans()) == 1 and not list(vendor.cache.glob(".*")), "the next build tidies up"


def test_every_message_says_why(vendor: Vendor, tmp_path: Path) -> None:
    vendor.use(FAKE_GPU_COUNT="0")
    bundle = load_bundle(make_bundle(tmp_path / "bundle", roles=("segmentation",)))
    inference = open_inference(bundle, None, "tensorrt", {"cache": vendor.cache, "threads": 1})
    stamp = model_of(bundle, inference).stamp
    assert "onnxruntime-cpu" in stamp.engine and "(no tensorrt: " in stamp.engine
    context = SinkContext("s1", "m1", stamp)
    sink = open_sink(f"mqtt://127.0.0.1:1?spool={tmp_path / 'spool.sqlite'}", context)
    assert isinstance(sink, MqttSink)
    assert sink._status("online", None).engine == stamp.engine
    sink.close()
    inference.close()


def test_on_the_command_line(
    tmp_path: Path, images: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without any of NVIDIA's libraries, as on most machines."""
    for name in MODULES:
        monkeypatch.setitem(sys.modules, name, None)
    bundle = make_bundle(tmp_path / "bundle", roles=("segmentation",))
    command = ["run", "--bundle", str(bundle), "--source", f"folder:{images}", "--sink", f"jsonl:{tmp_path / 'out'}"]
    assert main([*command, "--engine", "tensorrt", "--threads", "1"]) == 0
    assert "(no tensorrt: TensorRT cannot be imported" in (tmp_path / "out").read_text()
