"""A fleet as its devices have reported it, in a real registry."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

from deploy.fleet.console.detections.sqlite import SqliteStore
from deploy.fleet.registry import rollouts
from deploy.fleet.registry.intake import Heard
from deploy.fleet.registry.registry import Registry
from fissura.update_messages import Phase, Presence, UpdateEvent, UpdateState
from tests.deploy.fleet.console.sightings import sighting_number

ATTACK = "<script>window.taken = 1</script><img src=x onerror='window.taken = 2'>\"'>{{ 7 * 7 }}"
NOW_S = 1_760_000_000.0


def fill_devices(path: Path, count: int) -> None:
    """Devices `truck-00000` and on; every tenth has failed, every fourth is offline."""
    reports: list[Heard] = []
    for number in range(count):
        serial = f"truck-{number:05d}"
        failed = number % 10 == 9
        phase: Phase = "rolled_back" if failed else "committed"
        about = {
            "serial": serial,
            "sequence": 3,
            "phase": phase,
            "model": "cssr",
            "release": 12,
            "reason": "latency: p99 of 184 ms is above the budget of 120 ms" if failed else None,
            "channel": "stable",
            "hardware": "jetson-orin-nano",
            "version": "0.1.0",
        }
        state = UpdateState.model_validate({**about, "active": 11 if failed else 12, "previous": 11})
        reports += [Heard(state), Heard(Presence(serial=serial, online=number % 4 != 3))]
        happened = datetime.fromtimestamp(NOW_S, timezone.utc)
        reports.append(
            Heard(UpdateEvent.model_validate({**about, "happened_utc": happened, "figures": {"p99_ms": 184}}))
        )
    with Registry(path) as registry:
        registry.store(reports, NOW_S)


def fill_attacker(path: Path) -> None:
    """A device that says in every text what would be a script."""
    serial = "attacker"
    about = {
        "serial": serial,
        "sequence": 1,
        "phase": "rejected",
        "model": ATTACK,
        "release": 12,
        "reason": ATTACK,
        "channel": ATTACK,
        "hardware": ATTACK,
        "version": ATTACK,
    }
    event = {**about, "happened_utc": datetime.fromtimestamp(NOW_S, timezone.utc), "figures": {ATTACK: 1.5}}
    with Registry(path) as registry:
        registry.store([Heard(UpdateState.model_validate(about)), Heard(UpdateEvent.model_validate(event))], NOW_S)


def fill_rollout(path: Path, *, reason: str) -> None:
    """A roll-out of release 12 that was paused in its second wave."""
    plan = rollouts.Plan(
        model="cssr", release=12, channel="stable", fallback=11, percents=(1, 10, 50, 100), state="running"
    )
    with Registry(path) as registry:
        one = rollouts.begin(registry, plan, NOW_S)
        one = rollouts.record_signed(registry, one, "first", {"percent": 1}, NOW_S)
        one = rollouts.advance(registry, one, {"committed": 2}, NOW_S)
        one = rollouts.record_signed(registry, one, "second", {"percent": 10}, NOW_S)
        rollouts.record_counts(registry, one, {"committed": 15, "failed": 5})
        rollouts.move(registry, one, "paused", NOW_S, reason=reason)


def fill_ended_rollouts(path: Path) -> None:
    """Release 30, aborted in its second wave; 31, done, but two of three have failed; 32, which nobody moves."""
    with Registry(path) as registry:
        one = rollouts.begin(registry, _plan(30, "over", (1, 10, 50, 100)), NOW_S)
        one = rollouts.record_signed(registry, one, "first", {}, NOW_S)
        one = rollouts.advance(registry, one, {}, NOW_S)
        one = rollouts.record_signed(registry, one, "second", {}, NOW_S)
        rollouts.record_counts(registry, one, {"running": 1})
        rollouts.move(registry, one, "aborted", NOW_S, reason="operator: storm")
        one = rollouts.begin(registry, _plan(31, "over", (100,)), NOW_S)
        one = rollouts.record_signed(registry, one, "first", {}, NOW_S)
        rollouts.advance(registry, one, {"committed": 1, "failed": 2}, NOW_S)
        rollouts.begin(registry, _plan(32, "lonely", (100,)), NOW_S)
        taken_back = {
            "serial": "taker",
            "sequence": 9,
            "phase": "rolled_back",
            "model": "cssr",
            "release": 31,
            "reason": "revoked: by channel over",
            "channel": "over",
            "hardware": "jetson-orin-nano",
            "version": "0.1.0",
            "happened_utc": datetime.fromtimestamp(NOW_S, timezone.utc),
        }
        registry.store([Heard(UpdateEvent.model_validate(taken_back))], NOW_S)


def _plan(release: int, channel: str, percents: tuple[int, ...]) -> rollouts.Plan:
    return rollouts.Plan(model="cssr", release=release, channel=channel, fallback=11, percents=percents)


def fill_cracks(path: Path, count: int) -> None:
    """Cracks on a road, a last one without a position, whose texts are attacks. One device of three tracks."""
    rows = [
        sighting_number(number, **({"phase": "end", "seen_frames": number} if number % 3 == 1 else {}))
        for number in range(count)
    ]
    nowhere = {"latitude_deg": None, "longitude_deg": None}
    rows.append(sighting_number(count, **nowhere, mission_id=f"=HYPERLINK({ATTACK})", source=ATTACK, model=ATTACK))
    rows.append(sighting_number(count + 1, latitude_deg=48.1, longitude_deg=11.5, serial="attacker", source=ATTACK))
    SqliteStore(path).add(rows)
