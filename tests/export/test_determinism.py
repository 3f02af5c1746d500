"""A bundle is made of the checkpoint and the images alone: neither of the time, nor of the place."""

from __future__ import annotations

import io
import shutil
import zipfile
from pathlib import Path

import onnx
import pytest

from export.gate import Limits
from export.lower import LowerOptions
from export.package import PackageOptions, export_bundle
from fissura.bundle import MANIFEST_NAME, Bundle, load_bundle
from fissura.dataset import load_dataset
from fissura.files import sha256
from tests.export.conftest import Made, fissura, save_small_checkpoint
from train.checkpoint import load_checkpoint

LENIENT = 90.0  # percent points: the networks have learnt nothing
PAPERS = {"golden.npz", "parity.json", "parity.html", "MODEL_CARD.md", "LICENSE-fissura.txt"}
# What would tell where, when and by which code a file was made.
TRACES = (b"pkg.torch.onnx", b".py", b"/home/", b"/tmp/", b"/root/", b"somebody", b"site-packages")


@pytest.fixture(scope="module")
def twins(made: Made, tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, Bundle]:
    """Two exports of one checkpoint with int8, in two processes, from different places to different places."""
    here, there = (tmp_path_factory.mktemp(f"twin-{number}") for number in range(2))
    for folder in (here, there):
        save_small_checkpoint(folder / "checkpoint", super_resolution=False)
        shutil.copytree(made.data, folder / made.data.name)
    lower = LowerOptions(variants=("int8-cpu",), limits=Limits(LENIENT), images=2)
    options = PackageOptions("twin", golden_frames=1, lower=lower)
    data = load_dataset(here / made.data.name, "train")
    first = export_bundle(load_checkpoint(here / "checkpoint"), here / "out", data, options)
    words = ("--calibration-data", there / made.data.name, "--name", "twin", "--golden", "1")
    lower_words = ("--precision", "int8-cpu", "--range-images", "2", "--max-drop", str(LENIENT))
    done = fissura("export", there / "checkpoint", "--out", there / "out", *words, *lower_words)
    assert done.returncode == 0, done.stderr
    return first, load_bundle(there / "out")


def test_two_exports_of_one_checkpoint_have_the_same_hashes(twins: tuple[Bundle, Bundle]) -> None:
    first, second = twins
    assert first.manifest.files == second.manifest.files
    assert first.id == second.id
    assert set(first.manifest.files) > PAPERS
    assert list(first.graph("segmentation").variants) == ["int8-cpu"]
    assert {path.name for path in first.path.iterdir()} == {*first.manifest.files, MANIFEST_NAME}


def test_no_file_tells_where_when_or_by_which_code_it_was_made(made: Made, twins: tuple[Bundle, Bundle]) -> None:
    for bundle in (made.bundle, twins[0]):
        traces = (*TRACES, str(made.data.parent).encode(), str(bundle.path.parent).encode())
        for path in bundle.path.iterdir():
            content = path.read_bytes()
            parts = [content]
            if zipfile.is_zipfile(io.BytesIO(content)):  # compressed: look inside
                with zipfile.ZipFile(path) as archive:
                    parts += [archive.read(name) for name in archive.namelist()]
                    assert {entry.date_time[0] for entry in archive.infolist()} == {1980}
            found = [trace for trace in traces for part in parts if trace in part]
            assert found == [], path.name


def test_graphs_carry_no_notes(made: Made, twins: tuple[Bundle, Bundle]) -> None:
    for bundle in (made.bundle, twins[0]):
        for path in bundle.path.glob("*.onnx"):
            model = onnx.load(path)
            assert {note.key for note in model.metadata_props} <= {"onnx.infer"}, path.name  # ONNX Runtime's own
            assert all(not node.metadata_props and not node.doc_string for node in model.graph.node), path.name


def test_licence_of_the_project_comes_along(made: Made) -> None:
    ours = Path(__file__).parents[2] / "LICENSE"
    assert sha256(made.bundle.path / "LICENSE-fissura.txt") == sha256(ours)
    card = (made.bundle.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "**cracks** (training). It was not at hand" in card
    assert f"**{made.data.name}** (calibration)." in card
