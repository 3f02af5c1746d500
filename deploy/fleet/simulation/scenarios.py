"""What is played with the fleet. Each scenario returns its figures, for the report and for `acceptance`."""

from __future__ import annotations

import logging
import time
from typing import Any

from deploy.fleet.registry.rows import Rollout
from deploy.fleet.simulation.fates import drawn, in_waves
from deploy.fleet.simulation.plan import CHANNEL
from deploy.fleet.simulation.played_bundle import MODEL
from deploy.fleet.simulation.stage import BAD, GOOD, LATER, Stage
from fissura.errors import FleetError
from fissura.update_messages import TERMINAL, Announcement, Phase

logger = logging.getLogger(__name__)

OUTAGE_S = 2.0
RESTING: frozenset[Phase] = TERMINAL | {"deferred"}


def come_online(stage: Stage) -> dict[str, Any]:
    """Switch the whole fleet on; the full devices do that themselves."""
    stage.swarm.appear(stage.swarm.devices)
    count = len(stage.swarm.devices)
    return {"seconds": stage.wait(lambda: stage.swarm.connected() == count, f"{count} devices are connected")}


def announce(stage: Stage) -> dict[str, Any]:
    """Tell everybody at once, when there is nothing new, and note when each device hears it."""
    count = stage.swarm.connected()
    sent: list[float] = []
    stage.heard.clear()
    stage.swarm.announce(Announcement(channel=CHANNEL, release=GOOD, window_s=stage.plan.pace.window_s), sent.append)
    stage.wait(lambda: len(stage.heard) >= count, f"{count} devices have heard an announcement")
    latencies = sorted(at_s - sent[0] for at_s in stage.heard.values())
    return {"devices": count, "last_s": latencies[-1], "median_s": latencies[len(latencies) // 2], "all_s": latencies}


def good(stage: Stage) -> dict[str, Any]:
    """A good release. Where there is more than one wave, the operator is killed once and starts again, and so is the
    broker, which forgets everything.
    """
    began_s = time.monotonic()
    stage.operator.roll_out(MODEL, GOOD)
    last = len(stage.plan.waves) - 1
    if last > 0:
        _kill_everybody(stage, *((1, 2) if last >= 2 else (0, 1)))
    _follow(stage, GOOD)
    stage.operator.listen()
    took_s = stage.wait(
        lambda: stage.ledger.running(stage.fleet, GOOD) == len(stage.fleet), f"all devices run release {GOOD}"
    )
    return {**_told(stage, GOOD, began_s), "running": stage.ledger.running(stage.fleet, GOOD), "converged_s": took_s}


def _kill_everybody(stage: Stage, operator_at: int, broker_at: int) -> None:
    """The operator in one wave, the broker in another."""
    _reach(stage, GOOD, operator_at)
    stage.operator.kill()
    time.sleep(OUTAGE_S)
    stage.operator.roll_out(MODEL, GOOD)
    logger.info("the operator was killed and is back")
    _reach(stage, GOOD, broker_at)
    time.sleep(stage.plan.pace.window_s / 3)  # in the middle of the devices' turns
    stage.broker.kill()
    time.sleep(OUTAGE_S)
    stage.broker.start()
    logger.info("the broker was killed and is back")
    stage.swarm.babble(CHANNEL)


def bad(stage: Stage) -> dict[str, Any]:
    """A release that fails on some devices; whoever has it by then is told to leave it."""
    began_s = time.monotonic()
    stage.operator.roll_out(MODEL, BAD)
    _follow(stage, BAD)
    rollout = find(stage, BAD)
    is_paused = rollout is not None and rollout.state == "paused"
    if is_paused:
        stage.operator.abort("simulated: it fails")
    stage.operator.listen()

    def has_left() -> bool:
        if not is_paused:  # it was good enough for the limits
            return True
        newest = {step.serial: step.phase for step in stage.ledger.steps() if step.release == BAD}
        under_way = any(phase not in RESTING for phase in newest.values())
        return not under_way and stage.ledger.running(stage.fleet, GOOD) == len(stage.fleet)

    left_s = stage.wait(has_left, f"no device runs release {BAD} that was aborted")
    first = set(in_waves(stage.fleet, BAD, stage.plan.waves[0]))
    return {
        **_told(stage, BAD, began_s),
        "pause": rollout.reason if rollout is not None and is_paused else None,
        "left_s": left_s,
        "running_before": stage.ledger.running(stage.fleet, GOOD),
        "failing_devices": len(stage.failing),
        "first_wave_devices": len(first),
        "first_wave_failing": len(first & set(stage.failing)),
        "tried": len({step.serial for step in stage.ledger.steps() if step.release == BAD}),
        "failed": len({step.serial for step in stage.ledger.ends(BAD)} & set(stage.failing)),
    }


def offline(stage: Stage) -> dict[str, Any]:
    """A good release while a part of the fleet is offline; it comes back when the operator is through and announces
    nothing any more.
    """
    plan = stage.plan
    away = drawn(stage.fleet, plan.offline_share, plan.seed, "offline")
    online = [serial for serial in stage.fleet if serial not in away]
    light = [serial for serial in away if serial in stage.swarm.devices]
    whole = [serial for serial in stage.full if serial in away]
    began_s = time.monotonic()
    stage.swarm.vanish(light)
    stage.workers.switch(whole, "vanish")
    expected = len(stage.swarm.devices) - len(light)
    stage.wait(lambda: stage.swarm.connected() == expected, f"{len(away)} devices are offline")
    left_s = time.monotonic()
    stage.operator.roll_out(MODEL, LATER)
    _follow(stage, LATER)
    stage.operator.listen()
    stage.wait(lambda: stage.ledger.running(online, LATER) == len(online), f"all that are online run release {LATER}")
    told = _told(stage, LATER, began_s)
    untouched = sum(step.release == LATER for step in stage.ledger.steps() if step.serial in away)
    rest_s = plan.day_s - (time.monotonic() - left_s)
    if rest_s > 0:
        time.sleep(rest_s)
    back_s = time.monotonic()
    stage.swarm.appear(light, plan.pace.window_s)
    stage.workers.switch(whole, "appear")
    converged_s = stage.wait(
        lambda: stage.ledger.running(stage.fleet, LATER) == len(stage.fleet), "those that were offline have caught up"
    )
    return {
        **told,
        "away": len(away),
        "away_s": back_s - left_s,
        "steps_while_away": untouched,
        "ended_s": time.monotonic(),
        "converged_s": converged_s,
        "running": stage.ledger.running(stage.fleet, LATER),
    }


def _reach(stage: Stage, release: int, wave: int) -> None:
    """Wait until a wave has begun."""

    def reached() -> bool:
        rollout = find(stage, release)
        if rollout is None or rollout.wave < wave:
            return False
        return stage.registry.waves(rollout.id)[wave].started_s is not None

    percent = stage.plan.waves[wave]
    stage.wait(reached, f"release {release}: the wave of {percent} % has begun", (wave + 1) * stage.plan.step_s)


def _follow(stage: Stage, release: int) -> None:
    """Wait until the roll-out is over, or paused.

    Raises:
        FleetError: the controller ended although it is neither.
    """
    limit_s = len(stage.plan.waves) * stage.plan.step_s
    stage.wait(lambda: stage.operator.ended() is not None, f"the roll-out of release {release} has ended", limit_s)
    rollout = find(stage, release)
    if rollout is None or rollout.state == "running":
        raise FleetError(f"simulation: the controller ended by itself:\n{stage.log_tail()}")


def find(stage: Stage, release: int) -> Rollout | None:
    """The roll-out of a release."""
    return next((one for one in stage.registry.rollouts() if one.release == release), None)


def _told(stage: Stage, release: int, began_s: float) -> dict[str, Any]:
    """What the registry says of a roll-out."""
    rollout = find(stage, release)
    to_monotonic = time.monotonic() - time.time()
    if rollout is None:
        return {"state": "none", "began_s": began_s, "ended_s": time.monotonic(), "waves": []}
    return {
        "state": rollout.state,
        "reason": rollout.reason,
        "wave": rollout.wave,
        "percent": rollout.percent,
        "began_s": began_s,
        "ended_s": time.monotonic(),
        "waves": [
            {
                "percent": wave.percent,
                "started_s": None if wave.started_s is None else wave.started_s + to_monotonic,
                "ended_s": None if wave.ended_s is None else wave.ended_s + to_monotonic,
                "counts": wave.counts,
            }
            for wave in stage.registry.waves(rollout.id)
        ],
    }
