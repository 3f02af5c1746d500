from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from edge_runtime.updates.repository import TrustedRepository, read_root
from fissura.errors import ConfigError, RepositoryError
from fissura.release import release_target
from tests.edge_runtime.updates.signed_repository import MODEL, SignedRepository
from tests.edge_runtime.updates.web_server import Answer, WebServer

LONGEST_S = 5.0


@pytest.fixture
def trusted(tmp_path: Path, repository: SignedRepository, server: WebServer) -> TrustedRepository:
    return TrustedRepository(server.url, repository.root, tmp_path / "tuf", timeout_s=5, longest_s=LONGEST_S)


def test_what_was_signed_is_read(trusted: TrustedRepository, repository: SignedRepository) -> None:
    view = trusted.look()
    assert view.channel("stable").release == 7
    release = view.release(MODEL, 8)
    target = view.target(release_target(MODEL, 8, "docs/card.md"))
    assert target.file.length == len("model 8")
    assert target.file.hashes["sha256"] in {file.sha256 for file in release.files}


@pytest.mark.parametrize("name", ["channel/beta.json", "cracks/9/release.json"])
def test_what_was_not_signed_is_missing(trusted: TrustedRepository, server: WebServer, name: str) -> None:
    with pytest.raises(RepositoryError, match=f"missing: the repository has no {name}"):
        trusted.look().target(name)


def test_a_document_under_a_wrong_name_is_refused(trusted: TrustedRepository, repository: SignedRepository) -> None:
    data = repository.target_path(release_target(MODEL, 8)).read_bytes()
    repository.add(release_target(MODEL, 9), data)
    repository.add("channel/beta.json", repository.target_path("channel/stable.json").read_bytes())
    repository.sign()
    view = trusted.look()
    with pytest.raises(RepositoryError, match="is that of cracks 8"):
        view.release(MODEL, 9)
    with pytest.raises(RepositoryError, match="is that of channel 'stable'"):
        view.channel("beta")


def test_a_document_of_a_newer_time_is_refused(trusted: TrustedRepository, repository: SignedRepository) -> None:
    repository.add("channel/stable.json", b'{"schema_version": "2.0"}')
    repository.sign()
    with pytest.raises(RepositoryError, match=r"signed: channel/stable.json, schema_version"):
        trusted.look().channel("stable")


@pytest.mark.parametrize("document", ["timestamp.json", "snapshot.json", "targets.json", "stable.json"])
@pytest.mark.parametrize("fault", ["cut", "absent", "garbage", "busy", "drip", "headers", "deep"])
def test_every_fault_of_every_document_is_one_error(
    trusted: TrustedRepository, repository: SignedRepository, server: WebServer, document: str, fault: str
) -> None:
    def spoil(path: str, answer: Answer) -> Answer:
        if not path.endswith(document):
            return answer
        if fault == "cut":
            return Answer(200, answer.body[: len(answer.body) // 2], length=len(answer.body))
        if fault == "drip":
            return Answer(200, answer.body, chunk=1, pause_s=0.1)
        if fault == "headers":
            return Answer(200, answer.body, header_s=0.1)
        return {
            "absent": Answer(404, b""),
            "garbage": Answer(200, b"{" + answer.body[1:][::-1]),
            "busy": Answer(503, b"", {"Retry-After": "999999999"}),
            "deep": Answer(200, b"[" * 5000),
        }[fault]

    server.fault = spoil
    if fault in ("drip", "headers"):  # which last until they are cut
        trusted._fetcher._longest_s = 0.5
    with pytest.raises(RepositoryError) as caught:
        trusted.look().channel("stable")
    assert caught.value.found.split(":")[0] in ("unreachable", "signed")
    server.fault, trusted._fetcher._longest_s = None, LONGEST_S
    assert trusted.look().channel("stable").release == 7  # and nothing of it stays


def test_a_cut_root_of_an_earlier_process_is_fetched_again(
    trusted: TrustedRepository, repository: SignedRepository, tmp_path: Path
) -> None:
    trusted.look()
    for path in (tmp_path / "tuf").rglob("*.json"):
        path.write_bytes(path.read_bytes()[:10])
    assert trusted.look().channel("stable").release == 7


def test_without_the_first_root_there_is_no_trust(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="root"):
        read_root(tmp_path / "root.json")
    with pytest.raises(RepositoryError, match="signed"):
        TrustedRepository("http://127.0.0.1:1", b"{}", tmp_path / "tuf").look()


@pytest.mark.parametrize("data", [b"", b"garbage", b"{}", b"\xff\xfe"])
def test_a_root_that_is_none_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "root.json"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=str(path)):
        read_root(path)


def test_another_document_is_no_root(trusted: TrustedRepository, tmp_path: Path) -> None:
    trusted.look()
    with pytest.raises(ConfigError, match=r"timestamp\.json cannot be read: it is the timestamp"):
        read_root(tmp_path / "tuf" / "timestamp.json")


def test_no_server_at_all(tmp_path: Path, repository: SignedRepository) -> None:
    with pytest.raises(RepositoryError, match="unreachable"):
        TrustedRepository("http://127.0.0.1:1", repository.root, tmp_path / "tuf").look()


def test_stopping_ends_a_look(repository: SignedRepository, server: WebServer, tmp_path: Path) -> None:
    server.fault = lambda path, answer: Answer(200, answer.body, header_s=0.1)
    stopping = threading.Event()
    threading.Timer(0.3, stopping.set).start()
    started_s = time.monotonic()
    with pytest.raises(RepositoryError, match="unreachable"):
        TrustedRepository(server.url, repository.root, tmp_path / "tuf").look(stopping)
    assert time.monotonic() - started_s < 30
