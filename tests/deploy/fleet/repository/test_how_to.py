"""The commands of the how-to page, one after the other."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from deploy.fleet.home import VARIABLE as FLEET
from deploy.fleet.home import FleetHome
from deploy.fleet.repository.passphrase import VARIABLE
from fissura.cli import main
from tests.deploy.fleet.repository.fleets import PASSPHRASE, Device, another, served

CHECKOUT = Path(__file__).parents[4]
PAGE = CHECKOUT / "docs" / "how-to" / "publish-models.md"


def test_the_page_works_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = FleetHome(tmp_path / "roads")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, PASSPHRASE)
    monkeypatch.setenv(FLEET, str(home.root))
    (tmp_path / "examples").symlink_to(CHECKOUT / "examples")
    another(CHECKOUT / "examples" / "bundles" / "tiny", tmp_path / "my-second-bundle", 2)
    commands = re.findall(r"^\$ fissura (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    done = []
    for command in commands:
        words = shlex.split(command.replace("/media/", f"{tmp_path}/"))
        assert main(words) == 0, command
        done.append(words[1])
        if words[1] == "init":
            to_sticks(home, tmp_path)
    assert set(done) == {"init", "publish", "promote", "revoke", "refresh", "rotate-keys"}
    with served(home) as url:
        device = Device(home, url, tmp_path / "device")
        channel = device.channel()
        assert channel is not None
        assert (channel.release, channel.revoked) == (1, (2,))
        assert device.fetch("tiny", 1) is not None


def to_sticks(home: FleetHome, media: Path) -> None:
    for number in (1, 2, 3):
        stick = media / f"stick-{number}"
        stick.mkdir()
        (home.keys / f"root-{number}.pem").rename(stick / f"root-{number}.pem")
