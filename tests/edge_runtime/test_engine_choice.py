"""`--engine auto`: real engines in processes of their own; the fastest that is right is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from edge_runtime import engines
from edge_runtime.engine_choice import cache, candidate, choose, turns
from edge_runtime.engine_choice.candidate import candidates
from edge_runtime.engine_choice.choose import EngineChoice, choose_engine
from edge_runtime.inference import Mode, open_inference
from fissura.bundle import VariantName, load_bundle
from fissura.errors import EngineError
from tests.bundles import make_bundle
from tests.edge_runtime.proven import WRONG_STEEPNESS, list_files, make_proven_bundle, set_steepness
from tests.edge_runtime.sources.live import gone
from tests.mosquitto import wait_until

SIZE = (160, 120)
CLASSES = "tests.edge_runtime.test_verify"


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("proven") / "bundle"
    return make_proven_bundle(folder, roles=("segmentation", "tile"), variants=("int8-cpu",))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "ROUNDS", 2)
    monkeypatch.setattr(turns, "TURN_S", 0.05)


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Makes ONNX Runtime on the CPU and the given classes the only engines, in the trials' processes too."""

    def set_engines(**others: str) -> None:
        table = {"onnxruntime": engines.ENGINES["onnxruntime"]}
        table |= {kind: place if ":" in place else f"{CLASSES}:{place}" for kind, place in others.items()}
        folder = tmp_path / "at-start"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(
            f"from edge_runtime.engines import ENGINES\nENGINES.clear()\nENGINES.update({table!r})\n"
        )
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]))
        for kind in list(engines.ENGINES):
            monkeypatch.delitem(engines.ENGINES, kind)
        for kind, place in table.items():
            monkeypatch.setitem(engines.ENGINES, kind, place)
        monkeypatch.setattr(candidate, "MORE_WAYS", {})

    yield set_engines


def chosen(
    folder: Path,
    mode: Mode | None = None,
    precision: VariantName | None = None,
    *,
    cache: Path | None = None,
    anew: bool = False,
) -> EngineChoice:
    return choose_engine(load_bundle(folder), mode, precision, SIZE, 1, cache=cache, anew=anew)


def problems(choice: EngineChoice) -> dict[str, str]:
    return {row.candidate.label: row.problem for row in choice.rows}


def no_trials(*_: object) -> None:
    raise AssertionError("the engines were tried again")


def with_fake_openvino(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    package = tmp_path / "fake" / "openvino"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    monkeypatch.setattr(
        choose, "candidates", lambda: [one for one in candidates() if one.label in ("onnxruntime", "openvino")]
    )


def test_every_engine_of_this_device_is_tried_and_the_fastest_is_kept(proven: Path, tmp_path: Path) -> None:
    choice = chosen(proven, cache=tmp_path)
    assert [row.candidate.label for row in choice.rows] == [
        "onnxruntime",
        "onnxruntime device=cuda",
        "tensorrt",
        "openvino",
        "openvino precision=bf16",
    ]
    times = {row.candidate.label: row.ms for row in choice.rows if row.ms is not None}
    assert times["onnxruntime"] > 0
    best = next(row for row in choice.rows if row.ms == min(times.values()))
    assert (choice.kind, choice.options) == (best.candidate.kind, {"threads": 1, **best.candidate.options})
    assert all(
        (row.ms is None) == bool(row.problem) and (row.frames > 0) == (row.ms is not None) for row in choice.rows
    )
    assert best.candidate.label in choice.reason
    open_inference(load_bundle(proven), None, choice.kind, choice.options).close()


def test_a_choice_is_kept_and_measured_anew_when_damaged(
    proven: Path, tmp_path: Path, only: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    only()
    first = chosen(proven, cache=tmp_path / "state")
    assert (first.kind, first.options, first.from_cache) == ("onnxruntime", {"threads": 1}, False)
    (file,) = (tmp_path / "state").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(choose, "take_turns", no_trials)
        again = chosen(proven, cache=tmp_path / "state")
        assert again.from_cache
        assert again.rows == first.rows
        with pytest.raises(AssertionError, match="tried again"):
            chosen(proven, cache=tmp_path / "state", anew=True)
    file.write_bytes(file.read_bytes()[:-40])
    assert not chosen(proven, cache=tmp_path / "state").from_cache
    assert chosen(proven, cache=tmp_path / "state").from_cache
    # Another choice under this name, or one of an engine that there is no more, does not count either.
    stored = json.loads(file.read_text())
    for change in ({"key": {**stored["key"], "threads": 2}}, {"chosen": {"candidate": {"kind": "gone"}, "ms": 1.0}}):
        file.write_text(json.dumps({**stored, **change}))
        with monkeypatch.context() as patch, pytest.raises(AssertionError, match="tried again"):
            patch.setattr(choose, "take_turns", no_trials)
            chosen(proven, cache=tmp_path / "state")


def test_a_disk_that_keeps_nothing_costs_only_time(
    proven: Path, tmp_path: Path, only: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    only()
    (tmp_path / "file").write_text("in the way")
    assert chosen(proven, cache=tmp_path / "file" / "state").kind == "onnxruntime"
    assert "cannot be kept" in caplog.text


def test_all_that_a_choice_depends_on_changes_its_key(proven: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, object]] = []
    monkeypatch.setattr(choose, "find", lambda _, key: asked.append(key))
    monkeypatch.setattr(choose, "take_turns", no_trials)

    def key(**changes: object) -> Path:
        values: dict[str, object] = {"mode": None, "precision": None, "size": SIZE, "threads": 1} | changes
        with pytest.raises(AssertionError, match="tried again"):
            choose_engine(load_bundle(proven), cache=Path(), **values)  # type: ignore[arg-type]
        return cache.path_of(Path(), asked[-1])

    keys = [key(), key(mode="segmentation"), key(precision="int8-cpu"), key(size=(640, 480)), key(threads=2)]
    with monkeypatch.context() as patch:
        patch.setattr(cache, "version", lambda name: "99.0")
        keys.append(key())
    with monkeypatch.context() as patch:
        patch.setattr(cache, "processor", lambda: "another")
        keys.append(key())
    assert len(set(keys)) == len(keys)
    assert key() == keys[0]


def test_the_users_state_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/var/lib/state")
    assert cache.default_folder() == Path("/var/lib/state/fissura/engines")
    monkeypatch.delenv("XDG_STATE_HOME")
    assert cache.default_folder() == Path.home() / ".local/state/fissura/engines"


def test_an_engine_that_is_wrong_is_not_chosen_however_fast(proven: Path, only: Callable[..., None]) -> None:
    only(wrong="Wrong", rough="RoughOnLarge", absent="Absent", crashing="Crashing")
    choice = chosen(proven)
    assert choice.kind == "onnxruntime"
    found = problems(choice)
    assert found["onnxruntime"] == ""
    assert found["wrong"].startswith("golden frames of graph segmentation: off by ")
    assert found["rough"].startswith("camera size: off by ")
    assert found["absent"] == "this engine is not installed here"
    assert found["crashing"] == "out of memory"


def test_a_library_that_ends_the_process_is_out_and_the_run_goes_on(
    proven: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_fake_openvino(
        tmp_path, monkeypatch, "import os, sys\nprint('bad driver', file=sys.stderr, flush=True)\nos.abort()"
    )
    choice = chosen(proven)
    assert choice.kind == "onnxruntime"
    assert problems(choice)["openvino"] == "its process ended with signal SIGABRT: bad driver"


@pytest.mark.slow
def test_a_library_that_hangs_is_ended_in_time(proven: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid = tmp_path / "pid"
    code = f"import os, time\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    with_fake_openvino(tmp_path, monkeypatch, code)
    monkeypatch.setattr(candidate, "OPEN_S_OF", {"openvino": 10.0})
    choice = chosen(proven)
    assert choice.kind == "onnxruntime"
    assert problems(choice)["openvino"] == "no answer in 10 s"
    assert not Path("/proc", pid.read_text()).exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_trial_outlives_a_run_that_is_killed(
    proven: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    pids = tmp_path / "pids"
    # It has a child, as TensorRT has, and takes longer than the run lives.
    code = (
        "import os, subprocess, time\nchild = subprocess.Popen(['sleep', '600'])\n"
        f"open('{pids}.new', 'w').write(f'{{os.getpid()}} {{child.pid}}')\nos.rename('{pids}.new', '{pids}')\n"
        "time.sleep(600)"
    )
    with_fake_openvino(tmp_path, monkeypatch, code)
    choosing = (
        "import sys\nfrom pathlib import Path\nfrom edge_runtime.engine_choice.choose import choose_engine\n"
        "from fissura.bundle import load_bundle\n"
        "choose_engine(load_bundle(Path(sys.argv[1])), None, None, (160, 120), 1, cache=None)"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([os.environ["PYTHONPATH"], str(Path.cwd())]))
    run = subprocess.Popen([sys.executable, "-c", choosing, str(proven)])
    try:
        assert wait_until(pids.exists, 60)
        others = psutil.Process(run.pid).children(recursive=True)
        assert {int(pid) for pid in pids.read_text().split()} <= {process.pid for process in others}
    finally:
        run.send_signal(number)
        run.wait()
    assert wait_until(lambda: all(gone(process) for process in others), 20)


def test_a_trial_ends_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryFile() as errors, turns.Trial(candidates()[0], errors) as trial:
        trial.end()
        # Its number may be another's by now.
        monkeypatch.setattr(turns, "kill_group", lambda group: pytest.fail(f"group {group} killed once more"))
        trial.end()


def test_what_a_library_prints_does_no_harm(proven: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_fake_openvino(tmp_path, monkeypatch, "import os\nos.write(1, b'welcome\\n')\nraise ImportError('no plugin')")
    assert problems(chosen(proven))["openvino"].endswith("no plugin")


def test_lower_precision_is_judged_by_its_own_tolerance(proven: Path, only: Callable[..., None]) -> None:
    only(portable="Fast")
    choice = chosen(proven, precision="int8-cpu")
    assert choice.kind == "onnxruntime"
    assert problems(choice)["portable"] == "engine portable does not run int8-cpu, or runs it wrongly"


def test_no_engine_is_right(tmp_path: Path, only: Callable[..., None]) -> None:
    only(crashing="Crashing")
    folder = make_proven_bundle(tmp_path / "bundle", variants=())
    set_steepness(folder / "segmentation.onnx", WRONG_STEEPNESS)
    list_files(folder, load_bundle(make_bundle(tmp_path / "plain", roles=("segmentation",))).manifest)
    with pytest.raises(EngineError, match=r"onnxruntime: golden frames .*; crashing: out of memory"):
        chosen(folder, cache=tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_without_golden_frames_only_onnx_runtime_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(choose, "take_turns", no_trials)
    choice = chosen(make_bundle(tmp_path / "bundle"), cache=tmp_path / "state")
    assert (choice.kind, choice.options, choice.rows) == ("onnxruntime", {"threads": 1}, ())
    assert "has no golden frames" in choice.reason
    assert "has no golden frames" in caplog.text
    partly = make_proven_bundle(tmp_path / "partly", roles=("segmentation",))
    manifest = load_bundle(make_bundle(tmp_path / "more", roles=("segmentation", "tile"))).manifest
    (partly / "tile.onnx").write_bytes((tmp_path / "more" / "tile.onnx").read_bytes())
    list_files(partly, manifest)
    assert "no golden frames of graph tile" in chosen(partly).reason


def test_the_cascade_is_tried_as_it_runs(tmp_path: Path, only: Callable[..., None]) -> None:
    only()
    folder = make_proven_bundle(tmp_path / "bundle", roles=("fused", "tile", "proposal"), variants=())
    choice = chosen(folder, "cascade")
    assert choice.kind == "onnxruntime"
    assert choice.rows[0].ms is not None
