from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from fissura.errors import ReleaseError
from fissura.release import (
    LARGEST_DOCUMENT,
    Channel,
    Release,
    channel_target,
    load_release,
    read_document,
    release_target,
)

MANIFEST = "a" * 64
RELEASE: dict[str, Any] = {
    "schema_version": "1.4",
    "model": "road",
    "release": 7,
    "created_utc": "2026-03-02T08:15:30Z",
    "bundle_id": MANIFEST,
    "files": [
        {"path": "manifest.json", "length": 900, "sha256": MANIFEST},
        {"path": "graphs/fused.onnx", "length": 100, "sha256": "b" * 64},
    ],
}
CHANNEL: dict[str, Any] = {"schema_version": "1.4", "channel": "stable", "model": "road", "release": 7, "percent": 10}


def read(kind: type[Release] | type[Channel], values: dict[str, Any]) -> Release | Channel:
    return read_document(kind, json.dumps(values).encode(), "document")


def test_a_release_is_read_as_it_was_meant() -> None:
    release = read(Release, RELEASE | {"colour": "of a newer minor version"})
    assert isinstance(release, Release)
    assert (release.model, release.release, release.size, release.hardware) == ("road", 7, 1000, ("*",))
    assert release.created_utc == datetime(2026, 3, 2, 8, 15, 30, tzinfo=timezone.utc)
    assert read_document(Release, release.to_json(), "again") == release


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema_version": "2.0"}, r"reads 1\.x"),
        ({"release": 0}, "release"),
        ({"model": "../etc"}, "model"),
        ({"created_utc": "2026-03-02T08:15:30"}, "created_utc"),
        ({"bundle_id": "c" * 64}, "hash that `bundle_id` states"),
        ({"files": []}, "files"),
        ({"files": [RELEASE["files"][0]] * 2}, "listed twice"),
        ({"files": [*RELEASE["files"], RELEASE["files"][1] | {"path": "manifest.json/a/b"}]}, "a file and a folder"),
        ({"files": [RELEASE["files"][1]]}, "manifest.json is not listed"),
        ({"hardware": []}, "hardware"),
        ({"tensorrt": {"oldest": "ten"}}, "tensorrt.oldest"),
        ({"oldest_fissura": "1"}, "oldest_fissura"),
    ],
)
def test_a_release_that_says_nonsense_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ReleaseError, match=words):
        read(Release, RELEASE | change)


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "../manifest.json", "a/../../b", "a//b", "./a", "a/", "a\\b", "a\nb", "ä", "a b", "x" * 201],
)
def test_a_file_stays_inside_the_bundle(path: str) -> None:
    files = [RELEASE["files"][0], {"path": path, "length": 1, "sha256": "b" * 64}]
    with pytest.raises(ReleaseError, match=r"files\.1\.path"):
        read(Release, RELEASE | {"files": files})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"percent": 101}, "percent"),
        ({"percent": -1}, "percent"),
        ({"channel": "Stable"}, "channel"),
        ({"revoked": [7]}, "gives out a release that it revokes"),
        ({"fallback": 6, "revoked": [6]}, "gives out a release that it revokes"),
    ],
)
def test_a_channel_that_says_nonsense_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(ReleaseError, match=words):
        read(Channel, CHANNEL | change)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"release": 7}'])
def test_what_is_no_document_is_refused(data: bytes) -> None:
    with pytest.raises(ReleaseError, match=r"^thing"):
        read_document(Release, data, "thing")


def test_an_endless_document_is_not_even_parsed() -> None:
    with pytest.raises(ReleaseError, match=f"{LARGEST_DOCUMENT + 1} bytes"):
        read_document(Channel, b"[" * (LARGEST_DOCUMENT + 1), "channel")


def test_targets_are_named_by_model_and_release() -> None:
    assert channel_target("stable") == "channel/stable.json"
    assert release_target("road", 7) == "road/7/release.json"
    assert release_target("road", 7, "graphs/fused.onnx") == "road/7/graphs/fused.onnx"


@pytest.mark.parametrize("channel", ["", "Stable", "a/b", "..", "-a", "x" * 33, "a\n"])
def test_a_channel_has_a_plain_name(channel: str) -> None:
    with pytest.raises(ReleaseError, match="no name of a channel"):
        channel_target(channel)


def test_a_release_is_loaded_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "release.json").write_text(json.dumps(RELEASE))
    assert load_release(tmp_path / "release.json").release == 7
    with pytest.raises(ReleaseError, match="cannot be read"):
        load_release(tmp_path / "none.json")
