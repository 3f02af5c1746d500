"""`fissura fleet enroll`, from the command line."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from fissura.cli import main

PASSPHRASE = "a passphrase that is long"


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a fleet, as far as `enroll` looks at it."""
    home = tmp_path / "fleet"
    home.mkdir()
    (home / "fleet.yaml").write_text("name: roads\nbroker: mqtts://broker.lan\n")
    monkeypatch.setenv("FISSURA_FLEET", str(home))
    monkeypatch.setenv("FISSURA_FLEET_PASSPHRASE", PASSPHRASE)
    return home


def enroll(*words: str | Path) -> int:
    return main(["fleet", "enroll", *map(str, words)])


def test_a_device_gets_a_folder_that_a_run_can_use(fleet: Path, tmp_path: Path) -> None:
    out = tmp_path / "truck-07"
    assert enroll("truck-07", "--out", out, "--days", "30") == 0
    assert stat.S_IMODE((out / "client.key").stat().st_mode) == 0o600
    assert x509.load_pem_x509_certificate((out / "client.pem").read_bytes()).subject.rfc4514_string() == "CN=truck-07"
    assert (out / "ca.pem").read_bytes() == (fleet / "ca" / "ca.pem").read_bytes()
    snippet = yaml.safe_load((out / "run.yaml").read_text())
    assert snippet["serial"] == "truck-07" and snippet["sink"] == ["mqtts://broker.lan"]
    assert {Path(snippet[key]).name for key in ("ca", "cert", "key")} == {"ca.pem", "client.pem", "client.key"}


def test_a_device_learns_where_its_models_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FISSURA_FLEET_PASSPHRASE", PASSPHRASE)
    home, out = tmp_path / "fleet", tmp_path / "truck-07"
    url = "https://models.example.org/fleet"
    assert main(["fleet", "init", str(home), "--url", url, "--broker", "mqtts://broker.lan"]) == 0
    assert enroll("truck-07", "--out", out, "--fleet", home) == 0
    updates = yaml.safe_load((out / "updates.yaml").read_text())
    assert (updates["url"], updates["report"]["broker"]) == (url, "mqtts://broker.lan")
    first = home / "repository" / "metadata" / "1.root.json"
    assert (out / Path(updates["root"]).name).read_bytes() == first.read_bytes()


def test_the_list_tells_what_is_valid(fleet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert enroll("--list") == 0 and "no certificates" in capsys.readouterr().out
    enroll("truck-07")
    enroll("--server", "broker.lan", "10.0.0.5")
    enroll("--operator")
    enroll("--console")
    enroll("--revoke", "truck-07")
    capsys.readouterr()
    enroll("--list")
    rows = [re.split(r"\s{2,}", line) for line in capsys.readouterr().out.splitlines()[1:]]
    assert [(row[0], row[1], row[3]) for row in rows] == [
        ("truck-07", "device", "revoked"),
        ("broker.lan", "server", "valid"),
        ("operator", "operator", "valid"),
        ("console", "console", "valid"),
    ]


def test_a_key_is_not_overwritten_unless_it_is_said_to(
    fleet: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "device"
    enroll("truck-07", "--out", out)
    key = (out / "client.key").read_bytes()
    assert enroll("truck-08", "--out", out) == 2
    assert "holds a client.key already" in capsys.readouterr().err
    assert (out / "client.key").read_bytes() == key
    assert enroll("truck-07", "--out", out, "--renew") == 0
    assert (out / "client.key").read_bytes() != key


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "no device is named"),
        (["truck-07", "--list"], "and something else"),
        (["a/b"], "cannot stand in a topic"),
        (["operator"], "take it for that role"),
        (["truck-07", "--days", "0"], "--days 1 to 7300"),
        (["truck-07", "--days", "99999999"], "--days 1 to 7300"),
        (["--revoke", "truck-07"], "has no certificate"),
    ],
)
def test_what_makes_no_sense_is_refused(
    fleet: Path, capsys: pytest.CaptureFixture[str], words: list[str], expected: str
) -> None:
    assert enroll(*words) == 2
    assert expected in capsys.readouterr().err
    assert enroll("--list") == 0 and "truck-07" not in capsys.readouterr().out


def test_without_a_passphrase_nothing_is_made(
    fleet: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FISSURA_FLEET_PASSPHRASE")
    assert enroll("truck-07") == 2
    assert "holds no passphrase" in capsys.readouterr().err
    assert not (fleet / "ca" / "ca.pem").exists()
