"""Every demand can fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deploy.fleet.simulation.acceptance import judge

HTTP = {
    "planned_bytes_per_s": 1e6,
    "peak_bytes_per_s": 1.4e6,
    "peak_bytes_per_device_second": 1.3e6,
    "wave_devices": 5000,
}
Spoil = Callable[[dict[str, Any]], None]


def result() -> dict[str, Any]:
    return {
        "plan": {"devices": 10_000, "waves": [1, 10, 50, 100]},
        "announcement": {"devices": 9700, "last_s": 4.0},
        "good": {
            "waves": [
                {"counts": {"committed": 100, "failed": 0, "absent": 2}},
                {"counts": {"committed": 9_990, "failed": 0, "absent": 10}},
            ],
            "state": "done",
            "running": 10_000,
            "clock_stood_s": 1.0,
            "http": dict(HTTP),
        },
        "bad": {
            "state": "aborted",
            "pause": "failures: 3 of 20",
            "wave": 0,
            "percent": 1,
            "first_wave_devices": 100,
            "first_wave_failing": 3,
            "failing_share": 0.03,
            "tried": 100,
            "left_s": 20.0,
            "running_before": 10_000,
        },
        "offline": {
            "state": "done",
            "running": 10_000,
            "away": 3000,
            "away_s": 150.0,
            "converged_s": 30.0,
            "steps_while_away": 0,
            "clock_stood_s": 1.0,
            "http": dict(HTTP),
        },
        "messages": {
            "ends": 20_000,
            "ends_lost": 0,
            "ends_invented": 0,
            "ends_miscounted": 0,
            "events": 100_000,
            "events_lost": 0,
            "fewest": 5,
        },
        "memory": {"broker_peak_bytes": 50 << 20, "total_peak_bytes": 1 << 30},
    }


def test_all_is_well() -> None:
    assert [line.holds for line in judge(result())] == [True] * 11


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda one: one["announcement"].update(last_s=10.5), "announcement"),
        (lambda one: one["good"].update(running=9_999), "good release"),
        (lambda one: one["good"].update(state="paused"), "good release"),
        (lambda one: one["good"]["waves"][0]["counts"].update(committed=0, absent=102), "no wave"),
        (lambda one: one["good"]["http"].update(peak_bytes_per_s=1.6e6), "'good': HTTP"),
        (lambda one: one["good"]["http"].update(peak_bytes_per_device_second=1.6e6), "'good': HTTP"),
        (lambda one: one["offline"]["http"].update(peak_bytes_per_s=1.6e6), "'offline': HTTP"),
        (lambda one: one["bad"].update(wave=1), "pauses in wave 1"),
        (lambda one: one["bad"].update(pause="silence: 3 of 100"), "pauses in wave 1"),
        (lambda one: one["bad"].update(running_before=9_999), "after the abort"),
        (lambda one: one["offline"].update(running=9_999), "offline"),
        (lambda one: one["offline"].update(steps_while_away=1), "offline"),
        (lambda one: one["messages"].update(ends_lost=1), "exactly once"),
        (lambda one: one["messages"].update(ends_miscounted=1), "exactly once"),
        (lambda one: one["messages"].update(fewest=4), "QoS 1"),
        (lambda one: one["messages"].update(events_lost=1), "QoS 1"),
        (lambda one: one["memory"].update(total_peak_bytes=5 << 30), "GiB"),
    ],
)
def test_a_demand_that_is_not_met(spoil: Spoil, word: str) -> None:
    spoiled = result()
    spoil(spoiled)
    (line,) = [line for line in judge(spoiled) if line.holds is False]
    assert word in line.demand


def test_what_a_small_fleet_cannot_tell() -> None:
    small = result()
    small["good"]["http"]["wave_devices"] = 30
    small["bad"].update(first_wave_failing=1, pause=None)
    unknown = [line.demand for line in judge(small) if line.holds is None]
    assert len(unknown) == 3
