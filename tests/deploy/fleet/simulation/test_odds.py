"""Why a release that fails on 3 % pauses in a first wave of a hundred although 5 % of a hundred are more than three."""

from __future__ import annotations

from deploy.fleet.rollout.decision import Advance, Pause, Wait, decide
from deploy.fleet.rollout.standing import Tally
from deploy.fleet.settings import RolloutSettings
from deploy.fleet.simulation.odds import pausing

WAVES = (1, 10, 50, 100)
SETTINGS = RolloutSettings()


def test_the_self_test_fails_before_the_first_canary_ends() -> None:
    assert isinstance(decide(Tally(failed=3, running=97), SETTINGS), Wait)
    assert isinstance(decide(Tally(committed=16, failed=3, running=81), SETTINGS), Wait)
    assert isinstance(decide(Tally(committed=17, failed=3, running=80), SETTINGS), Pause)


def test_three_of_a_hundred_that_all_end_at_once_are_below_the_limit() -> None:
    assert isinstance(decide(Tally(committed=97, failed=3), SETTINGS), Advance)


def test_a_release_that_fails_on_three_percent_pauses_early_whomever_chance_picks() -> None:
    odds = pausing(10_000, WAVES, 0.03, seed=1, runs=60)
    assert odds["1 %"] > 0.5
    assert odds["1 %"] + odds["10 %"] > 0.95


def test_a_release_that_hardly_ever_fails_goes_through() -> None:
    assert pausing(10_000, WAVES, 0.001, seed=1, runs=30)["never"] > 0.8
