from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime, timedelta, timezone

import pytest

from deploy.fleet.home import FleetHome
from deploy.fleet.repository.passphrase import VARIABLE
from deploy.fleet.repository.repository import Repository
from deploy.fleet.settings import ExpiryDays, FleetSettings, RolloutSettings
from fissura.config import parse_config
from fissura.errors import ConfigError
from tests.deploy.fleet.repository.fleets import PASSPHRASE


def refresh(home: FleetHome, days: int, *options: str) -> subprocess.CompletedProcess[str]:
    """`fissura fleet refresh`, so many days from now."""
    if shutil.which("faketime") is None:
        pytest.skip("needs faketime (Debian: apt-get install faketime)")
    command = [sys.executable, "-m", "fissura", "fleet", "refresh", "--fleet", str(home.root), *options]
    return subprocess.run(
        ["faketime", "-f", f"+{days}d", *command],
        env={**os.environ, VARIABLE: PASSPHRASE},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_nothing_is_signed_while_all_holds(home: FleetHome, repository: Repository) -> None:
    before = {path.name: path.read_bytes() for path in home.metadata.iterdir()}
    done = repository.refresh()
    assert (done.signed, done.by_hand) == ((), None)
    assert {path.name: path.read_bytes() for path in home.metadata.iterdir()} == before


@pytest.mark.parametrize(
    ("within_days", "signed"),
    [
        (0.5, ()),
        (2, ("timestamp",)),
        (8, ("snapshot", "timestamp")),
        (91, ("targets", "snapshot", "timestamp")),
        (366, ("root", "targets", "snapshot", "timestamp")),
    ],
)
def test_what_expires_within_so_many_days_is_signed(
    repository: Repository, within_days: float, signed: tuple[str, ...]
) -> None:
    now = datetime.now(timezone.utc)
    done = repository.refresh(within_days)
    assert done.signed == signed
    for role, days in ExpiryDays().model_dump().items():
        assert abs(done.expires[role] - now - timedelta(days=days)) < timedelta(minutes=10)


@pytest.mark.parametrize(
    ("days", "signed"),
    [
        (2, ["timestamp"]),
        (5, ["snapshot", "timestamp"]),
        (100, ["targets", "snapshot", "timestamp"]),
        (200, ["root", "targets", "snapshot", "timestamp"]),
        (400, ["root", "targets", "snapshot", "timestamp"]),  # all has expired, and is good again
    ],
)
def test_cron_keeps_the_repository_alive(home: FleetHome, days: int, signed: list[str]) -> None:
    done = refresh(home, days, "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["signed"] == signed
    assert all(
        datetime.fromisoformat(moment) > datetime.now(timezone.utc) + timedelta(days=days)
        for moment in answer["expires"].values()
    )


def test_cron_says_when_the_root_needs_hands(home: FleetHome) -> None:
    for path in home.keys.glob("root-*.pem"):
        path.unlink()
    done = refresh(home, 300)
    assert done.returncode == 0
    assert "signed by hand" in done.stderr
    assert "root-1.pem, root-2.pem, root-3.pem" in done.stderr
    assert "signed anew: targets, snapshot, timestamp" in done.stdout


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"expiry_days": {"timestamp": 10}}, "at least as long"),
        ({"expiry_days": {"root": 0}}, "root"),
        ({"rollout": {"waves": [10, 1, 100]}}, "growing"),
        ({"rollout": {"waves": [1, 50]}}, "growing"),
        ({"rollout": {"failure_share": 0}}, "failure_share"),
        ({"url": "ftp://x"}, "url"),
        ({"broker": "amqp://x"}, "broker"),
        ({"wave": 1}, "unknown key"),
    ],
)
def test_settings_that_cannot_be_are_refused(values: dict[str, object], found: str) -> None:
    with pytest.raises(ConfigError, match=found):
        parse_config(FleetSettings, {"name": "test", **values}, origin="fleet.yaml")


def test_a_roll_out_has_the_waves_of_the_design() -> None:
    rollout = RolloutSettings()
    assert (rollout.waves, rollout.failure_minimum, rollout.failure_share) == ((1, 10, 50, 100), 2, 0.05)
