"""Names that would lead somewhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from deploy.fleet.rollout.lock import moving
from deploy.fleet.rollout.plan import plan_rollout
from deploy.fleet.rollout.read_report import read_report
from fissura.errors import FleetError, ReleaseError


@pytest.mark.parametrize("channel", ["a/b", "../x", "", "Stable"])
def test_a_channel_that_cannot_be_is_no_path(tmp_path: Path, channel: str) -> None:
    with pytest.raises(ReleaseError, match="is no name of a channel"), moving(tmp_path / "fleet.sqlite", channel):
        pass
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["operator", "console", "Console"])
def test_a_role_is_no_device(name: str) -> None:
    told = read_report(f"fissura/v1/{name}/update/online", b'{"serial": "%s", "online": true}' % name.encode())
    assert isinstance(told, str) and "for that role" in told


def test_a_new_channel_begins_with_no_revoked_release() -> None:
    with pytest.raises(FleetError, match="release 2 of tiny is revoked"):
        plan_rollout("tiny", 2, "beta", (1, 100), None, (2,))
    assert plan_rollout("tiny", 3, "beta", (1, 100), None, (2,)).release == 3
