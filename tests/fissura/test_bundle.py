from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fissura.bundle import MANIFEST_NAME, Lineage, Manifest, load_bundle, read_manifest
from fissura.errors import BundleError, HashMismatchError, ManifestError
from fissura.files import sha256
from tests.fissura.conftest import write_bundle


def change(folder: Path, **values: Any) -> None:
    path = folder / MANIFEST_NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_loads_and_is_named_by_its_manifest(bundle_folder: Path) -> None:
    bundle = load_bundle(bundle_folder)
    assert bundle.id == sha256(bundle_folder / MANIFEST_NAME)
    assert bundle.graph_path("fused") == bundle_folder / "graphs/fused.onnx"
    assert bundle.graph("fused").threshold == 0.42


def test_a_role_that_is_not_there_names_those_that_are(bundle_folder: Path) -> None:
    with pytest.raises(BundleError, match="segmentation") as caught:
        load_bundle(bundle_folder).graph("segmentation")
    assert "fused" in caught.value.expected


def test_one_changed_byte_is_refused(bundle_folder: Path) -> None:
    (bundle_folder / "graphs/fused.onnx").write_bytes(b"not a real Graph")
    with pytest.raises(HashMismatchError, match=r"fused\.onnx"):
        load_bundle(bundle_folder)


def test_a_truncated_file_states_both_sizes(bundle_folder: Path) -> None:
    (bundle_folder / "graphs/fused.onnx").write_bytes(b"not a real grap")
    with pytest.raises(HashMismatchError, match="15 bytes") as caught:
        load_bundle(bundle_folder)
    assert caught.value.expected == "16 bytes"


def test_a_missing_file_is_named(bundle_folder: Path) -> None:
    (bundle_folder / "golden/frame.png").unlink()
    with pytest.raises(BundleError, match=r"frame\.png is missing"):
        load_bundle(bundle_folder)


def test_a_folder_without_manifest_is_no_bundle(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(ManifestError, match="is no bundle"):
            read_manifest(path)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe"])
def test_a_malformed_manifest_is_refused(bundle_folder: Path, content: bytes) -> None:
    (bundle_folder / MANIFEST_NAME).write_bytes(content)
    with pytest.raises(ManifestError):
        read_manifest(bundle_folder)


def test_a_newer_major_version_is_refused_before_anything_else(bundle_folder: Path) -> None:
    change(bundle_folder, schema_version="2.0", graphs={"hologram": 1}, files=[])
    with pytest.raises(ManifestError, match=r"schema_version is 2\.0; this fissura reads 1\.x"):
        read_manifest(bundle_folder)


@pytest.mark.parametrize("version", ["1", "one", "1.x", "", "1.0.0"])
def test_a_version_must_be_major_and_minor(bundle_folder: Path, version: str) -> None:
    change(bundle_folder, schema_version=version)
    with pytest.raises(ManifestError, match=r"expected MAJOR\.MINOR"):
        read_manifest(bundle_folder)


def test_a_newer_minor_version_may_add_keys_anywhere(bundle_folder: Path) -> None:
    values = json.loads((bundle_folder / MANIFEST_NAME).read_text())
    values["graphs"]["fused"]["weather"] = "rain"
    change(bundle_folder, schema_version="1.99", graphs=values["graphs"], owner={"name": "somebody"})
    assert load_bundle(bundle_folder).manifest.schema_version == "1.99"


def test_a_newer_minor_version_may_add_graphs(bundle_folder: Path) -> None:
    values = json.loads((bundle_folder / MANIFEST_NAME).read_text())
    before = load_bundle(bundle_folder).manifest
    for section in ("graphs", "parity", "calibration"):
        values.setdefault(section, {})["depth"] = {"file": "graphs/depth.onnx", "made_of": "what 1.0 does not know"}
    change(bundle_folder, schema_version="1.1", **{name: values[name] for name in ("graphs", "parity", "calibration")})
    assert load_bundle(bundle_folder).manifest == before.model_copy(update={"schema_version": "1.1"})
    change(bundle_folder, graphs={"depth": values["graphs"]["depth"]})
    with pytest.raises(ManifestError, match="graphs"):
        load_bundle(bundle_folder)


@pytest.mark.parametrize("value", [None, [], "fused"])
def test_graphs_must_be_a_mapping(bundle_folder: Path, value: Any) -> None:
    change(bundle_folder, graphs=value)
    with pytest.raises(ManifestError, match="graphs"):
        load_bundle(bundle_folder)


@pytest.mark.parametrize("name", ["../outside.onnx", "/etc/passwd", "a/../../b", "a\\b", MANIFEST_NAME])
def test_a_file_outside_the_bundle_is_refused(tmp_path: Path, name: str) -> None:
    folder = write_bundle(tmp_path / "bundle")
    files = json.loads((folder / MANIFEST_NAME).read_text())["files"]
    change(folder, files=files | {name: files["golden/frame.png"]})
    with pytest.raises(ManifestError, match="relative path inside the bundle"):
        read_manifest(folder)


def test_a_graph_must_be_a_listed_file(bundle_folder: Path) -> None:
    files = json.loads((bundle_folder / MANIFEST_NAME).read_text())["files"]
    change(bundle_folder, files={"golden/frame.png": files["golden/frame.png"]})
    with pytest.raises(ManifestError, match="does not list"):
        read_manifest(bundle_folder)


def test_probabilities_need_a_threshold(bundle_folder: Path) -> None:
    graphs = json.loads((bundle_folder / MANIFEST_NAME).read_text())["graphs"]
    del graphs["fused"]["threshold"]
    change(bundle_folder, graphs=graphs)
    with pytest.raises(ManifestError, match="no threshold"):
        read_manifest(bundle_folder)


def test_what_is_written_is_what_is_read(bundle_folder: Path) -> None:
    manifest = read_manifest(bundle_folder)
    assert Manifest.model_validate_json(manifest.to_json()) == manifest
    assert manifest.to_json() == Manifest.model_validate_json(manifest.to_json()).to_json()


def test_the_lineage_tells_how_frames_were_made() -> None:
    def kernel(recipe: dict[str, Any]) -> str:
        lineage = Lineage(recipe=recipe, dataset_fingerprint="0" * 64, seed=0, metrics={}, versions={})
        return lineage.frame_kernel

    assert kernel({}) == kernel({"data": {"scale": 2}}) == "area"
    assert kernel({"data": {"frame_kernel": "bicubic"}}) == "bicubic"
