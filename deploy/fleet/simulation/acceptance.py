"""What a simulation has to show, each line with what was measured."""

from __future__ import annotations

from typing import Any, NamedTuple

from deploy.fleet.settings import RolloutSettings
from deploy.fleet.simulation.http_load import LEAST_DEVICES

ANNOUNCED_S = 10.0
PEAK = 1.5
MEMORY_BYTES = 4 << 30
STATUSES = 5


class Line(NamedTuple):
    """A demand.

    Attributes:
        demand: in words.
        measured: in words.
        holds: None: this fleet is too small to tell.
    """

    demand: str
    measured: str
    holds: bool | None


def judge(result: dict[str, Any]) -> list[Line]:
    """Hold the figures of a simulation against the demands."""
    devices = result["plan"]["devices"]
    lines = []
    if told := result.get("announcement"):
        lines.append(
            Line(
                f"an announcement reaches all connected devices within {ANNOUNCED_S:.0f} s",
                f"{told['devices']} devices, the last after {told['last_s']:.2f} s",
                told["last_s"] < ANNOUNCED_S,
            )
        )
    if one := result.get("good"):
        holds = one["state"] == "done" and one["running"] == devices
        measured = f"{one['running']} of {devices} run it, the roll-out is {one['state']}"
        lines.append(Line("a good release: every device ends committed", measured, holds))
        lines.append(_waves(one["waves"]))
    lines += [_load(name, result[name]) for name in ("good", "offline") if name in result]
    if one := result.get("bad"):
        lines += _bad(one, result["plan"])
    if one := result.get("offline"):
        measured = (
            f"{one['away']} away for {one['away_s']:.0f} s, {one['running']} of {devices} run it"
            f" {one['converged_s']:.0f} s after their return"
        )
        holds = one["state"] == "done" and one["running"] == devices and not one["steps_while_away"]
        lines.append(Line("those that were offline for a simulated day converge unaided", measured, holds))
    lines += _messages(result["messages"])
    memory = result["memory"]
    lines.append(
        Line(
            f"all processes together stay below {MEMORY_BYTES / 2**30:.0f} GiB",
            f"peak {memory['total_peak_bytes'] / 2**20:.0f} MiB, of which the broker at most"
            f" {memory['broker_peak_bytes'] / 2**20:.0f} MiB",
            memory["total_peak_bytes"] < MEMORY_BYTES,
        )
    )
    return lines


def _waves(waves: list[dict[str, Any]]) -> Line:
    least = RolloutSettings().minimum_reports
    told = [(wave["counts"]["committed"], sum(wave["counts"].values())) for wave in waves]
    return Line(
        "no wave is over before its devices have told how it went",
        ", ".join(f"{committed} of {devices}" for committed, devices in told),
        all(committed >= min(least, devices) for committed, devices in told),
    )


def _load(name: str, one: dict[str, Any]) -> Line:
    http = one["http"]
    planned = http["planned_bytes_per_s"]
    ratio = max(http["peak_bytes_per_s"], http["peak_bytes_per_device_second"]) / planned
    enough = http["wave_devices"] >= LEAST_DEVICES
    return Line(
        f"scenario '{name}': HTTP at its peak at most {PEAK} times what is planned",
        f"{http['peak_bytes_per_s'] / 1e6:.2f} MB/s, in a second of the devices' clock"
        f" {http['peak_bytes_per_device_second'] / 1e6:.2f} MB, of {planned / 1e6:.2f} MB/s: {ratio:.2f} times;"
        f" that clock stood for {one['clock_stood_s']:.0f} s"
        + ("" if enough else f"; too few devices to tell, below {LEAST_DEVICES} in a wave"),
        ratio <= PEAK if enough else None,
    )


def _bad(one: dict[str, Any], plan: dict[str, Any]) -> list[Line]:
    devices, first = plan["devices"], plan["waves"][0]
    least = RolloutSettings().failure_minimum
    in_first = one["first_wave_failing"]
    is_first = one["state"] == "aborted" and one["wave"] == 0 and (one["pause"] or "").startswith("failures")
    told = f"{in_first} of {one['first_wave_devices']} devices of wave 1 fail; "
    return [
        Line(
            f"a release that fails on {one['failing_share']:.0%} of the devices pauses in wave 1",
            told
            + (f"paused at {one['percent']} %: {one['pause']}" if one["pause"] else "not paused")
            + ("" if in_first >= least else f"; with fewer than {least} failures no wave pauses"),
            is_first if in_first >= least else None,
        ),
        Line(
            "after the abort no device runs that release",
            f"{one['tried']} had tried it ({first} % is {one['first_wave_devices']}), all are back after"
            f" {one['left_s']:.0f} s",
            one["running_before"] == devices if one["pause"] else None,
        ),
    ]


def _messages(one: dict[str, Any]) -> list[Line]:
    wrong = one["ends_lost"] + one["ends_invented"] + one["ends_miscounted"]
    return [
        Line(
            "every end of an installation stands in the registry exactly once",
            f"{one['ends']} ends: {one['ends_lost']} lost, {one['ends_invented']} invented,"
            f" {one['ends_miscounted']} miscounted",
            not wrong and one["ends"] > 0,
        ),
        Line(
            f"{STATUSES} or more events with QoS 1 from each device and installation, none lost",
            f"{one['events']} events, the fewest of a device that committed: {one['fewest']};"
            f" {one['events_lost']} lost",
            one["fewest"] >= STATUSES and not one["events_lost"],
        ),
    ]
