from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edge_runtime.bundle_cli import HASHES_ONLY
from fissura.bundle import MANIFEST_NAME, load_bundle, read_manifest
from fissura.cli import main
from fissura.errors import BundleError, FissuraError, MissingDependencyError
from fissura.files import sha256
from tests.edge_runtime.proven import WRONG_STEEPNESS, list_files, make_proven_bundle, set_steepness
from tests.fissura.conftest import write_bundle

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def bundle_folder(tmp_path: Path) -> Path:
    """A valid bundle whose graph is no ONNX file."""
    return write_bundle(tmp_path / "bundle")


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_proven_bundle(tmp_path_factory.mktemp("proven") / "bundle")
    manifest = read_manifest(folder)
    graph = manifest.graphs["segmentation"].model_copy(update={"low_threshold": 0.31, "temperature": 1.7})
    list_files(folder, manifest.model_copy(update={"graphs": {"segmentation": graph}}))
    return folder


def without_onnxruntime(*words: str | Path) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys\nsys.modules['onnxruntime'] = None\nfrom fissura.cli import main\n"
        f"sys.exit(main({[str(word) for word in words]!r}))"
    )
    return subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=False)


def test_inspect_shows_what_matters(bundle_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "inspect", str(bundle_folder)]) == 0
    text = capsys.readouterr().out
    for part in (sha256(bundle_folder / MANIFEST_NAME), "multiples of 16, from 32", "0.420", "2.0e-06", "ods_f1"):
        assert part in text
    assert "network.widths: [8, 16]" in text
    assert "variant" not in text


def test_inspect_shows_every_precision_and_decision(proven: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "inspect", str(proven)]) == 0
    lines = capsys.readouterr().out.splitlines()
    decision = next(i for i, line in enumerate(lines) if line.startswith("decision"))
    assert lines[decision + 1].split() == ["segmentation", "0.500", "0.310", "1.7", "-"]
    variant = next(line for line in lines if "segmentation.int8-portable.onnx" in line and "+0.17" in line)
    for part in ("0.480", "0.5", "ODS F1 at 2 px, points, 46 images of cfd/test", "0.1000", "0.0050"):
        assert part in variant
    assert "kept at higher precision in segmentation int8-portable: encoders.0" in lines
    assert any(line.split()[:2] == ["segmentation", "int8-portable"] and "0.9871" in line for line in lines)


def test_inspect_as_json_is_the_manifest(bundle_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "inspect", str(bundle_folder), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["bundle_id"] == sha256(bundle_folder / MANIFEST_NAME)
    assert shown["manifest"]["graphs"]["fused"]["halo"] == 24


def test_verify_runs_the_golden_frames(proven: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "verify", str(proven)]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = [line.split() for line in lines if line.startswith("segmentation ")]
    assert [(row[1], row[2], row[4], row[-1]) for row in rows] == [
        ("fp32", "2", "0.0039", "ok"),
        ("int8-portable", "2", "0.1000", "ok"),
    ]
    assert lines[-1] == "ok: onnxruntime gives what was exported"


def test_verify_says_which_graph_gives_something_else(
    proven: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(proven, tmp_path / "copy"))
    set_steepness(copy / "segmentation.int8-portable.onnx", WRONG_STEEPNESS)
    list_files(copy, read_manifest(copy))
    assert main(["bundle", "verify", str(copy)]) == 1
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[1]: line.split()[-1] for line in lines if line.startswith("segmentation ")}
    assert rows == {"fp32": "ok", "int8-portable": "FAILED"}
    assert lines[-1].startswith("FAILED: 1 of 2")
    assert main(["bundle", "verify", str(copy), "--hashes-only"]) == 0


def test_hashes_alone_need_no_engine(bundle_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bundle_folder / "notes.txt").write_text("mine")
    assert main(["bundle", "verify", str(bundle_folder), "--hashes-only"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("ok: 2 files, 29 bytes")
    assert "notes.txt is not in the manifest" in text
    assert main(["bundle", "verify", str(bundle_folder)]) == 2  # it has no golden frames
    message = capsys.readouterr().err
    assert "has no golden frames" in message
    assert HASHES_ONLY in message


@pytest.mark.parametrize("kind", [BundleError, MissingDependencyError])
@pytest.mark.parametrize(("fix", "told"), [("", HASHES_ONLY), ("fetch it again", f"fetch it again; {HASHES_ONLY}")])
def test_what_to_do_is_one_list(
    kind: type[FissuraError],
    fix: str,
    told: str,
    proven: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise kind("it does not work", fix=fix)

    monkeypatch.setattr("edge_runtime.golden.golden_results", fail)
    assert main(["bundle", "verify", str(proven)]) == 2
    assert f"to do:    {told}\n" in capsys.readouterr().err


def test_verify_refuses_a_changed_file(bundle_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bundle_folder / "graphs/fused.onnx").write_bytes(b"x")
    for words in ([], ["--hashes-only"]):
        assert main(["bundle", "verify", str(bundle_folder), *words]) == 2
        assert "fused.onnx" in capsys.readouterr().err


def test_without_an_engine_all_but_the_golden_frames_works(proven: Path) -> None:
    for words in (("inspect", proven), ("diff", proven, proven), ("verify", proven, "--hashes-only")):
        done = without_onnxruntime("bundle", *words)
        assert done.returncode == 0, done.stderr
    done = without_onnxruntime("bundle", "verify", proven)
    assert done.returncode == 2
    assert "engine onnxruntime needs the Python package 'onnxruntime'" in done.stderr
    assert HASHES_ONLY in done.stderr
    assert "Traceback" not in done.stderr


def test_diff_prints_only_what_differs(bundle_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = write_bundle(tmp_path / "other", scale=4)
    assert main(["bundle", "diff", str(bundle_folder), str(bundle_folder)]) == 0
    capsys.readouterr()
    assert main(["bundle", "diff", str(bundle_folder), str(other)]) == 1
    rows = capsys.readouterr().out.splitlines()
    assert [row.split() for row in rows[1:]] == [["scale", "2", "4"]]


def test_diff_covers_every_precision(proven: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = Path(shutil.copytree(proven, tmp_path / "copy"))
    manifest = load_bundle(copy).manifest
    graph = manifest.graphs["segmentation"]
    variant = graph.variants["int8-portable"].model_copy(update={"threshold": 0.33})
    changed = graph.model_copy(update={"variants": {"int8-portable": variant}, "temperature": 2.0})
    list_files(copy, manifest.model_copy(update={"graphs": {"segmentation": changed}}))
    assert main(["bundle", "diff", str(proven), str(copy)]) == 1
    rows = {tuple(row.split()) for row in capsys.readouterr().out.splitlines()[1:]}
    assert rows == {
        ("graphs.segmentation.temperature", "1.7", "2.0"),
        ("graphs.segmentation.variants.int8-portable.threshold", "0.48", "0.33"),
    }
