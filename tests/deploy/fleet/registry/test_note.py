"""What is done by hand stands in the audit."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.fleet.home import FleetHome
from deploy.fleet.registry.registry import Registry
from fissura.cli import main
from tests.bundles import make_bundle
from tests.deploy.fleet.repository.fleets import MODEL, PASSPHRASE, another, make_home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FleetHome:
    made = make_home(tmp_path / "fleet")
    monkeypatch.setenv("FISSURA_FLEET", str(made.root))
    monkeypatch.setenv("FISSURA_FLEET_PASSPHRASE", PASSPHRASE)
    return made


def fleet(*words: object) -> int:
    return main(["fleet", *map(str, words)])


def test_every_command_that_changes_something_has_a_line(home: FleetHome, tmp_path: Path) -> None:
    first = make_bundle(tmp_path / "first")
    second = another(first, tmp_path / "second", 2)
    for words in (
        ("publish", first),
        ("publish", second),
        ("promote", MODEL, 1, "--channel", "stable"),
        ("promote", MODEL, 2, "--channel", "stable", "--percent", 10),
        ("revoke", MODEL, 2),
        ("rotate-keys", "timestamp"),
        ("refresh", "--within", 2),
        ("enroll", "truck-07", "--days", 30),
        ("enroll", "--revoke", "truck-07"),
    ):
        assert fleet(*words) == 0, words
    assert fleet("refresh") == 0  # changes nothing
    assert fleet("enroll", "--list") == 0
    assert fleet("promote", MODEL, 9, "--channel", "stable") == 2
    with Registry(home.registry) as registry:
        lines = registry.audit()
        registry.verify_audit()
    assert [line.action for line in lines] == [
        *("publish", "publish", "promote", "promote", "revoke", "rotate-keys", "refresh"),
        *("enroll", "enroll --revoke"),
    ]
    details = [line.details for line in lines]
    assert details[0]["model"] == MODEL and details[1]["release"] == 2
    assert isinstance(details[3]["channel"], dict) and details[3]["channel"]["percent"] == 10
    assert (details[4]["release"], details[5]["new"], details[7]["name"]) == (2, ["timestamp-2"], "truck-07")
    assert PASSPHRASE not in str(details)


def test_a_registry_that_takes_no_line_is_told_and_stops_nothing(
    home: FleetHome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home.registry.parent.mkdir()
    home.registry.write_bytes(b"no database at all" * 100)
    assert fleet("publish", make_bundle(tmp_path / "first")) == 0
    captured = capsys.readouterr()
    assert "published release 1" in captured.out
    assert "fissura fleet publish: done, but not in the audit" in captured.err
