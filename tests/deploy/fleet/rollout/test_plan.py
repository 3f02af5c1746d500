from __future__ import annotations

import pytest

from deploy.fleet.repository.channels import promoted
from deploy.fleet.rollout.controller import _in_words
from deploy.fleet.rollout.new_channel import check_new_channel
from deploy.fleet.rollout.plan import plan_rollout
from deploy.fleet.rollout.standing import Tally
from fissura.errors import FleetError
from fissura.release import Channel

WAVES = (1, 10, 100)


@pytest.mark.parametrize("paused", [False, True])
def test_the_way_past_an_unfinished_release_is_named_and_works(paused: bool) -> None:
    now = Channel(channel="stable", model="tiny", release=4, percent=0, fallback=3, paused=paused)
    with pytest.raises(FleetError) as caught:
        plan_rollout("tiny", 5, "stable", WAVES, now)
    assert "fissura fleet rollout tiny 4 --channel stable" in caught.value.fix
    assert "fissura fleet promote tiny 5 --channel stable --percent 0" in caught.value.fix
    plan = plan_rollout("tiny", 5, "stable", WAVES, promoted(now, "stable", "tiny", 5, 0))
    assert (plan.release, plan.fallback, plan.percents, plan.wave, plan.state) == (5, 3, WAVES, 0, "running")


def test_a_first_channel_is_made_and_told(caplog: pytest.LogCaptureFixture) -> None:
    check_new_channel("stable", "tiny", 1, ())
    assert "channel 'stable' is new, and no device that we know follows it" in caplog.text


def test_a_channel_without_devices_is_made_on_purpose_only() -> None:
    with pytest.raises(FleetError, match="no channel 'stabel'") as caught:
        check_new_channel("stabel", "tiny", 4, ("beta", "stable"))
    assert caught.value.expected == "'stable'?"
    with pytest.raises(FleetError) as caught:
        check_new_channel("night", "tiny", 4, ("beta", "stable"))
    assert caught.value.expected == "'beta' or 'stable'"


def test_a_wave_without_devices_is_told() -> None:
    assert _in_words(Tally()) == "no device"
    assert _in_words(Tally(committed=2, failed=1)) == "2 committed, 1 failed"
