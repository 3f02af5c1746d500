from __future__ import annotations

import json
from pathlib import Path

import pytest

from fissura.bundle import MANIFEST_NAME
from fissura.cli import main
from fissura.files import sha256
from tests.fissura.conftest import write_bundle


def test_inspect_shows_what_matters(bundle_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "inspect", str(bundle_folder)]) == 0
    text = capsys.readouterr().out
    for part in (sha256(bundle_folder / MANIFEST_NAME), "multiples of 16, from 32", "0.420", "2.0e-06", "ods_f1"):
        assert part in text
    assert "network.widths: [8, 16]" in text


def test_inspect_as_json_is_the_manifest(bundle_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bundle", "inspect", str(bundle_folder), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["bundle_id"] == sha256(bundle_folder / MANIFEST_NAME)
    assert shown["manifest"]["graphs"]["fused"]["halo"] == 24


def test_verify_accepts_and_names_what_is_not_listed(bundle_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bundle_folder / "notes.txt").write_text("mine")
    assert main(["bundle", "verify", str(bundle_folder)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("ok: 2 files, 29 bytes")
    assert "notes.txt is not in the manifest" in text


def test_verify_refuses_a_changed_file(bundle_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bundle_folder / "graphs/fused.onnx").write_bytes(b"x")
    assert main(["bundle", "verify", str(bundle_folder)]) == 2
    assert "fused.onnx" in capsys.readouterr().err


def test_diff_prints_only_what_differs(bundle_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = write_bundle(tmp_path / "other", scale=4)
    assert main(["bundle", "diff", str(bundle_folder), str(bundle_folder)]) == 0
    capsys.readouterr()
    assert main(["bundle", "diff", str(bundle_folder), str(other)]) == 1
    rows = capsys.readouterr().out.splitlines()
    assert [row.split() for row in rows[1:]] == [["scale", "2", "4"]]
